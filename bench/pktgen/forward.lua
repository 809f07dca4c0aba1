-- SPDX-License-Identifier: BSD-2-Clause
-- Segments of established sessions in both directions: FLOWS, FRAME, RATE, DURATION.
local world = dofile((os.getenv("PKTGEN_CASES") or "bench/pktgen") .. "/world.lua")
local clients, members = world.CLIENTS, world.MEMBERS

world.begin()
world.open()
for _, port in ipairs({clients, members}) do
	world.established(port, world.frame)
	world.from_file(port)
end
world.send("forward", {[clients] = world.rate, [members] = world.rate}, {
	{name = "clients to members", from = clients, to = members},
	{name = "members to clients", from = members, to = clients},
})
pktgen.quit()
