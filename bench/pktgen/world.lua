-- SPDX-License-Identifier: BSD-2-Clause
-- Who there is, how sessions are opened, and how the two ports send and count. See README.md.
package.path = package.path .. ";?.lua;app/?.lua"
require "Pktgen"

local function setting(name, default)
	local text = os.getenv(name)
	if not text then
		return default or error("set " .. name .. " in the environment; README.md says to what")
	end
	return type(default) == "number" and (tonumber(text) or error(name .. " is a number, not " .. text)) or text
end

local world = {
	flows = setting("FLOWS", 1000),
	frame = setting("FRAME", 64),         -- bytes on the wire, with the checksum of Ethernet
	transport = setting("TRANSPORT", "tcp"),
	rate = setting("RATE", 100),          -- per cent of the link's speed
	open_rate = setting("OPEN_RATE", 1),  -- likewise, while sessions are opened
	seconds = setting("DURATION", 10),
	queues = setting("QUEUES", 1),        -- transmit queues of each port, as -m says
	pcap = setting("PCAP", "off"),        -- on: what is sent under load comes from the files of -s
}

local CLIENTS, MEMBERS = "0", "1"
local STATION = {[CLIENTS] = setting("OUTSIDE_MAC"), [MEMBERS] = setting("INSIDE_MAC")}
local SERVICE, MEMBER = "192.0.2.80", "10.0.0.11"
local PORT = world.transport == "tcp" and 5061 or 3478
local FIRST_CLIENT, FIRST_FORGED = 198 << 24 | 18 << 16 | 1, 20 << 24 | 1
local FIRST_PORT = 1024
-- Pktgen's ranges step together, so that addresses times ports are all met only if the two numbers have
-- no divisor in common: odd and a power of two.
local PORTS = {[1000] = 8, [100000] = 32, [1000000] = 64}
-- Packets of a range are made when sending starts, and sent over and over: so many for each queue
-- (MAX_MBUFS_PER_PORT).
local MADE = 24576
-- A session's numbers, the same in all. The smallest frame has room for 6 bytes behind a TCP header.
local SYN, SYNACK = 1000, 500000
local PATIENCE, TRIES = 60000, 3 -- milliseconds; attempts

local function address(n)
	return string.format("%d.%d.%d.%d", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255)
end

-- An error alone would leave Pktgen running.
local function give_up(...)
	pktgen.quit()
	error(string.format(...), 0)
end

-- What Pktgen has as a command only.
local function command(...)
	local name = os.tmpname()
	local file = assert(io.open(name, "w"))
	file:write(string.format(...), "\n")
	file:close()
	pktgen.run("cmd", name, "")
	os.remove(name)
end

local function range(port, field, first, last)
	for what, value in pairs({start = first, min = first, max = last or first}) do
		pktgen.range[field](port, what, value)
	end
	local step = last and 1 or 0
	pktgen.range[field](port, "inc", field:match("_ip$") and address(step) or step)
end

-- The packets of a port: `count` clients from `first` on, all their ports, and a member or the service.
local function packets(port, first, count, segment)
	local near, far = "src", "dst"
	if port == MEMBERS then
		near, far = far, near
	end
	pktgen.range.set_type(port, "ipv4")
	pktgen.range.ip_proto(port, world.transport)
	pktgen.range.dst_mac(port, "start", STATION[port])
	range(port, near .. "_ip", address(first), address(first + count - 1))
	range(port, far .. "_ip", port == CLIENTS and SERVICE or MEMBER)
	range(port, near .. "_port", FIRST_PORT, FIRST_PORT + PORTS[world.flows] - 1)
	range(port, far .. "_port", PORT)
	range(port, "ttl", 64)
	range(port, "pkt_size", segment.frame or 64)
	pktgen.set(port, "size", segment.frame or 64) -- of this one rates are computed
	for _, flag in ipairs({"syn", "ack"}) do
		command("range %s tcp flag %s %s", port, segment[flag] and "set" or "clr", flag)
	end
	for what, value in pairs({seq = segment.seq, ack = segment.answers}) do
		command("range %s tcp %s start %d", port, what, value)
		command("range %s tcp %s inc 0", port, what)
	end
	pktgen.set_range(port, "on")
end

local function number(port)
	return tonumber(port)
end

-- IPv4 packets that have come to a port, or its frames of 512 to 1,023 bytes alone.
local function received(port, large)
	if large then
		return pktgen.portSizes(port)[number(port)]._512_1023
	end
	return pktgen.pktStats(port)[number(port)].ip_pkts
end

local function sent(port)
	return pktgen.portStats(port, "port")[number(port)].opackets
end

local function clear()
	pktgen.clr()
	pktgen.delay(1200) -- counters are read once a second
end

local function settled(ports)
	local before = -1
	for _ = 1, PATIENCE // 1200 do
		pktgen.delay(1200)
		local now = 0
		for _, port in ipairs(ports) do
			now = now + received(port) + sent(port)
		end
		if now == before then
			return
		end
		before = now
	end
end

-- Sends `count` packets slowly until all of them have come out; the first ones may be lost while postern
-- asks where the next station is.
local function pass(from, to, count, what)
	local came = 0
	for _ = 1, TRIES do
		clear()
		pktgen.set(from, "rate", world.open_rate)
		pktgen.set(from, "count", count)
		pktgen.start(from)
		settled({from, to})
		came = received(to)
		if came >= count then
			return
		end
	end
	give_up("%s: of %d packets %d arrived", what, count, came)
end

local function limits(flows)
	if not PORTS[flows] then
		give_up("FLOWS is 1000, 100000 or 1000000")
	end
	if world.pcap ~= "on" and flows > MADE * world.queues then
		give_up("%d flows take %d transmit queues (QUEUES), or files (PCAP=on)", flows, (flows + MADE - 1) // MADE)
	end
end

-- Pktgen answers ARP for the address that it would send from: the gateway's and the member's.
function world.begin()
	limits(world.flows)
	pktgen.screen("off")
	pktgen.stop("all")
	pktgen.pcap("all", "off")
	pktgen.set_ipaddr(CLIENTS, "src", "192.0.2.1/24")
	pktgen.set_ipaddr(CLIENTS, "dst", "192.0.2.2")
	pktgen.set_ipaddr(MEMBERS, "src", MEMBER .. "/24")
	pktgen.set_ipaddr(MEMBERS, "dst", "10.0.0.2")
	pktgen.process("all", "on")
end

-- Opens all sessions in the three steps of a handshake, as many at once as a range has packets. Over UDP
-- the same steps take a session out of its opening time.
function world.open()
	local ports = PORTS[world.flows]
	local clients = world.flows // ports
	local block = math.min(clients, (MADE - 1) // ports - 1 | 1)
	local first = 0
	while first < clients do
		first = math.min(first, clients - block)
		local from = FIRST_CLIENT + first
		packets(CLIENTS, from, block, {syn = true, seq = SYN, answers = 0})
		pass(CLIENTS, MEMBERS, MADE, "SYN")
		packets(MEMBERS, from, block, {syn = true, ack = true, seq = SYNACK, answers = SYN + 1})
		pass(MEMBERS, CLIENTS, MADE, "SYN-ACK")
		packets(CLIENTS, from, block, {ack = true, seq = SYN + 1, answers = SYNACK + 7})
		pass(CLIENTS, MEMBERS, MADE, "ACK")
		first = first + block
		print(string.format("opened %d of %d", first * ports, world.flows))
	end
end

-- Segments over the sessions that are open.
function world.established(port, frame)
	local answers = port == CLIENTS and SYNACK + 7 or SYN + 1
	packets(port, FIRST_CLIENT, world.flows // PORTS[world.flows],
		{ack = true, seq = port == CLIENTS and SYN + 1 or SYNACK + 7, answers = answers, frame = frame})
end

-- First packets of clients, or of addresses that nobody has.
function world.first(forged)
	packets(CLIENTS, forged and FIRST_FORGED or FIRST_CLIENT, world.flows // PORTS[world.flows],
		{syn = true, seq = SYN, answers = 0})
end

-- Sends from ports for some time, or a number of packets, and says what came out: a line for each of `ways`.
function world.send(case, ports, ways, count)
	for port, rate in pairs(ports) do
		pktgen.set(port, "rate", rate)
		pktgen.set(port, "count", count or 0)
	end
	clear()
	for port in pairs(ports) do
		pktgen.start(port)
	end
	if not count then
		pktgen.delay(world.seconds * 1000)
		pktgen.stop("all")
	end
	settled({CLIENTS, MEMBERS})
	for _, way in ipairs(ways) do
		local out, back = sent(way.from), received(way.to, way.large)
		local speed = count and "" or string.format(", %.3f Mpps received", back / world.seconds / 1e6)
		print(string.format("RESULT %s, %s: sent %d, received %d (%.4f %%)%s", case, way.name, out, back,
			out > 0 and 100 * back / out or 0, speed))
	end
end

function world.from_file(port)
	if world.pcap == "on" then
		pktgen.set_range(port, "off")
		pktgen.pcap(port, "on")
	end
end

world.CLIENTS, world.MEMBERS = CLIENTS, MEMBERS
return world
