-- A walk through the language and its libraries, as far as nothing is raised.
local function counter(start)
  local n = start
  return function(step) n = n + (step or 1); return n end
end
local a, b = counter(10), counter(100)
print(a(), a(5), b(), a(), b(-1))

local Point = {}
Point.__index = Point
Point.__add = function(p, q) return setmetatable({x = p.x + q.x, y = p.y + q.y}, Point) end
Point.__tostring = function(p) return ("(%g, %g)"):format(p.x, p.y) end
Point.__close = function(p) print("closed", p) end
Point.__lt = function(p, q) return p.x < q.x end
do
  local p <close> = setmetatable({x = 1, y = 2}, Point) + setmetatable({x = .5, y = -4}, Point)
  print(p, p < setmetatable({x = 2}, Point))
end

print(7 // 2, -7 // 2, 7 % -3, 7.5 // 2, 2 ^ 53, 1 << 62, ~0 >> 1, 5 // 0.0, 3 | 4 ~ 1)
print(math.maxinteger + 1 == math.mininteger, math.type(3), math.type(3.0), 10 / 2, 1e15, 1e100, 0x.8p1)
print(("%q %5.1f|%-6s|%+d|%x|%g|%a"):format("line\nbreak\0", 3.14159, "ab", 42, 255, 1e-10, 0.5))
print(("key = value; other=thing"):gsub("(%w+)%s*=%s*(%w+)", "%2:%1"))
print(string.pack("<i4 z s1 d", -2, "zero", "one", 1.5):byte(1, -1))
print(utf8.char(72, 228, 8364, 128512), utf8.len("äöü€"), #"äöü€")
print(table.concat({1, 2.5, "three"}, ", "), select("#", nil, nil), select(-1, 1, 2, 3))
print(table.unpack(table.move({1, 2, 3}, 1, 3, 2, {0})))
print(pcall(string.rep, "ab", 3), load("return 6 * 7")(), tostring(nil), tonumber("0x1p4"), tonumber("z", 36))

math.randomseed(42)
print(math.random(1000), math.random(1000), ("%.12f"):format(math.random()))

for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto continue end
    io.write(i, ":", j, " ")
    ::continue::
  end
end
print()

local function ackermann(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return ackermann(m - 1, 1) end
  return ackermann(m - 1, ackermann(m, n - 1))
end
print(ackermann(2, 9), #arg, ...)
os.exit(#arg)
