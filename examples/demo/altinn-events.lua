-- The demonstration's configuration: the example rules, and one small
-- service of its own as every target.
local service = os.getenv("DEMO_SERVICE") or "http://127.0.0.1:8482"

return {
  listen = "127.0.0.1:8480",
  admin = "127.0.0.1:8481",
  rules = { "examples/rules" },
  targets = {
    print = { url = service .. "/print", timeout = 5 },
    alert = { url = service .. "/alert", timeout = 5 },
    archive = { url = service .. "/archive", timeout = 5 },
  },
}
