-- What a text says, and what it must not say.
local M = {}

--- All of these words are in it.
function M.says(text, ...)
  for _, wanted in ipairs { ... } do
    assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted))
  end
end

--- None of these words is in it.
function M.silent(text, ...)
  for _, unwanted in ipairs { ... } do
    assert(not text:find(unwanted, 1, true), ("%q says %q"):format(text, unwanted))
  end
end

return M
