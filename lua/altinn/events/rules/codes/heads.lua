-- The codes of mistakes in heads: the parts of rule { … }.
return {
  ["rule"] = { severity = "error", summary = "a rule that cannot be loaded" },
  ["never"] = { severity = "error", summary = "conditions that exclude each other" },
  ["type"] = { severity = "warning", summary = "a type that nothing raises" },
  ["organisation"] = { severity = "hint", summary = "an organisation number whose last digit does not fit" },
  ["constant"] = { severity = "warning", summary = "a constant before or, and, not" },
  ["span"] = { severity = "warning", summary = "a few seconds where days or hours are meant" },
  ["twice"] = { severity = "error", summary = "a part that is written twice" },
  ["index"] = { severity = "error", summary = "more attributes than the host's index takes" },
  ["altinn"] = { severity = "warning", summary = "a rule that asks Altinn, where none is configured" },
  ["reference"] = { severity = "warning", summary = "runs that wait for a rule or a body that is gone" },
}
