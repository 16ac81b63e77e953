-- Counts the words of its input and draws the most frequent ones as a bar chart.
local counts, total = {}, 0
for line in io.lines() do
  for word in line:lower():gmatch("%a+") do
    counts[word] = (counts[word] or 0) + 1
    total = total + 1
  end
end

local words = {}
for word in pairs(counts) do words[#words + 1] = word end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)

print(("%d words, %d different"):format(total, #words))
for i = 1, math.min(15, #words) do
  local share = counts[words[i]] / total
  print(("%2d. %-12s %5d %6.2f%% %s"):format(i, words[i], counts[words[i]], share * 100, ("#"):rep(share * 200 // 1)))
end
