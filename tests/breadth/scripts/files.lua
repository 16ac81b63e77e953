-- Writes, seeks, appends, renames and removes files.
local function outcome(ok, message) return ok and "done", message end -- without the error's number, which is WASI's own

local out = io.open("numbers.txt", "w")
for i = 1, 1000 do out:write(i, " ", i * i, "\n") end
out:close()

local both = io.open("numbers.txt", "r+")
both:seek("set", 2)
print(both:read("n"), both:seek("end"))
both:write("the end\n")
both:close()

local sum, last = 0, nil
for line in io.lines("numbers.txt") do
  sum = sum + (tonumber(line:match("^%d+ (%d+)$")) or 0)
  last = line
end
print(sum, last)

io.open("log.txt", "a"):write("first\n"):close()
io.open("log.txt", "a"):write("second\n"):close()
print(outcome(os.rename("log.txt", "kept.txt")))
print(outcome(io.open("log.txt")))
print(outcome(os.remove("numbers.txt")))
print(outcome(os.remove("numbers.txt")))
print(outcome(io.open("missing/file", "w")))
