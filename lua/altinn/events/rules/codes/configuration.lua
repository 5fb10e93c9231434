-- The codes of mistakes in the configuration, and in what it names: targets, folders, ports, variables.
return {
  ["configuration"] = { severity = "error", summary = "a configuration that is refused" },
  ["target"] = { severity = "error", summary = "a target that the configuration lacks" },
  ["place"] = { severity = "warning", summary = "a folder, file or program of a target that is not there" },
  ["inbox"] = { severity = "error", summary = "an inbox that cannot be read" },
}
