-- The codes of mistakes in files: what Lua cannot read, names that nobody defines, files that hold no rule.
return {
  ["undefined"] = { severity = "error", summary = "a name that nobody defines" },
  ["assigned"] = { severity = "error", summary = "a global variable that is written" },
  ["parser"] = { severity = "hint", summary = "the parser that reads bodies is not installed" },
}
