-- SPDX-License-Identifier: BSD-2-Clause
-- One SYN (or datagram) from each of FLOWS clients that postern has not seen.
local world = dofile((os.getenv("PKTGEN_CASES") or "bench/pktgen") .. "/world.lua")
local clients, members = world.CLIENTS, world.MEMBERS

world.begin()
world.first()
world.from_file(clients)
world.send("new", {[clients] = world.rate}, {{name = "first packets", from = clients, to = members}}, world.flows)
pktgen.quit()
