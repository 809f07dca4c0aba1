-- SPDX-License-Identifier: BSD-2-Clause
-- Members' segments of established sessions at LOAD per cent of the link, without and then with SYNs from FLOWS
-- forged addresses at RATE per cent. Only they are counted at the
-- clients' port, by their size.
local world = dofile((os.getenv("PKTGEN_CASES") or "bench/pktgen") .. "/world.lua")
local clients, members = world.CLIENTS, world.MEMBERS
local load = tonumber(os.getenv("LOAD") or 30)
local FRAME, SESSIONS = 512, 1000

local forged = world.flows
world.begin()
world.flows = SESSIONS
world.open()
world.established(members, FRAME)
local goodput = {name = "established", from = members, to = clients, large = true}
world.send("without flood", {[members] = load}, {goodput})
world.flows = forged
world.first(true)
world.from_file(clients)
world.send("with flood", {[members] = load, [clients] = world.rate},
	{goodput, {name = "forged SYNs that reach the member", from = clients, to = members}})
pktgen.quit()
