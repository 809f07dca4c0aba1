# SPDX-License-Identifier: BSD-2-Clause
"""What goes wrong in the lab, as one line that a person can act on."""


class LabError(Exception):
    """Something that was needed did not happen; the text says what and by when."""
