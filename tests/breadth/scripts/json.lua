-- Reads JSON, turns it round and writes it again with sorted keys.
local text, at = io.read("a"), 1

local function skip() at = text:find("%S", at) or #text + 1 end

local parse
local function sequence(close, item)
  local result = {}
  at = at + 1
  skip()
  while text:sub(at, at) ~= close do
    item(result)
    skip()
    if text:sub(at, at) == "," then at = at + 1; skip() end
  end
  at = at + 1
  return result
end

function parse()
  skip()
  local c = text:sub(at, at)
  if c == "{" then
    local object = sequence("}", function(t)
      local key = parse()
      skip()
      at = at + 1
      t[key] = parse()
    end)
    return setmetatable(object, {object = true})
  elseif c == "[" then
    return sequence("]", function(t) t[#t + 1] = parse() end)
  elseif c == '"' then
    local stop = text:find('"', at + 1, true)
    local value = text:sub(at + 1, stop - 1)
    at = stop + 1
    return value
  end
  local token = text:match("^[%w%.%-+]+", at)
  at = at + #token
  if token == "true" then return true elseif token == "false" then return false end
  return math.tointeger(tonumber(token)) or tonumber(token)
end

local function render(value, indent)
  if type(value) == "string" then return '"' .. value .. '"' end
  if type(value) ~= "table" then return tostring(value) end
  local parts, inner = {}, indent .. "  "
  if (getmetatable(value) or {}).object then
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for i, key in ipairs(keys) do parts[i] = inner .. '"' .. key .. '": ' .. render(value[key], inner) end
    return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
  end
  for i = #value, 1, -1 do parts[#parts + 1] = inner .. render(value[i], inner) end
  return "[\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "]"
end

print(render(parse(), ""))
