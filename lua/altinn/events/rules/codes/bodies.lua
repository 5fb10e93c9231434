-- The codes of mistakes in bodies.
return {
  ["power"] = { severity = "error", summary = "a call or an effect that the rule's may does not allow" },
  ["colon"] = { severity = "error", summary = "a method of the letter called with a point" },
  ["unreturned"] = { severity = "error", summary = "a verdict that is made and not returned" },
  ["path"] = { severity = "warning", summary = "a body that returns nothing on one path" },
  ["body"] = { severity = "hint", summary = "a body that nothing starts" },
  ["probe"] = { severity = "error", summary = "a probe that does more than tell sent from not_sent" },
  ["always"] = { severity = "warning", summary = "a condition that is always true" },
  ["thing"] = { severity = "error", summary = "a call that this kind of thing does not have" },
  ["member"] = { severity = "error", summary = "a member that is not there" },
  ["status"] = { severity = "error", summary = "a status that no letter has" },
  ["effect"] = { severity = "error", summary = "an effect that can never be sent" },
  ["attribute"] = { severity = "warning", summary = "an attribute that no event of Altinn carries" },
  ["cancel"] = { severity = "warning", summary = "a type that can never cancel the timer" },
  ["word"] = { severity = "error", summary = "a word with an argument that it does not take" },
  ["type"] = { severity = "error", summary = "a short name where an event has the whole type" },
  ["step"] = { severity = "warning", summary = "two steps of one name" },
}
