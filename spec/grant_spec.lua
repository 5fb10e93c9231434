-- altinn.events.grant against openssl itself: it makes the keys, and it verifies what was signed.
local core = require "altinn.events.core"
local grant = require "altinn.events.grant"
local process = require "spec.support.process"

local PASSPHRASE = "hemmelig passord 1"
local folder

local function path(name) return folder .. "/" .. name end
local function read(name) return assert(process.read(path(name)), name) end

-- openssl in the folder of keys; what it prints.
local function openssl(arguments)
  local pipe = assert(io.popen(("cd %s && openssl %s 2>&1"):format(folder, (arguments:gsub("PASS",
    "pass:'" .. PASSPHRASE .. "'")))))
  local text = pipe:read("*a")
  assert(pipe:close(), text)
  return text
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

-- base64url of hexadecimal digits, and octets of base64url: independent of the module.
local function url64(octets)
  local text = octets:gsub("..?.?", function(group)
    local a, b, c = group:byte(1, 3)
    local value = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for place = 3, 3 - #group, -1 do
      local digit = math.floor(value / 64 ^ place) % 64
      out = out .. ALPHABET:sub(digit + 1, digit + 1)
    end
    return out
  end)
  return text
end

local function from_url64(text)
  return (text:gsub("..?.?.?", function(group)
    local value = 0
    for i = 1, 4 do
      local digit = i <= #group and ALPHABET:find(group:sub(i, i), 1, true) - 1 or 0
      value = value * 64 + digit
    end
    return string.char(math.floor(value / 65536), math.floor(value / 256) % 256, value % 256):sub(1, #group - 1)
  end))
end

local function octets(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- The RSA numbers of openssl's listing, as JWK members.
local function jwk_of(file)
  local text = openssl("rsa -in " .. file .. " -noout -text")
  local names = { modulus = "n", privateExponent = "d", prime1 = "p", prime2 = "q", exponent1 = "dp", exponent2 = "dq",
    coefficient = "qi" }
  local members = { kty = "RSA", e = "AQAB" }
  local digits, name = {}, nil
  for line in text:gmatch("[^\n]+") do
    name = line:match("^(%w+):") or name
    if line:find("^ ") then digits[name] = (digits[name] or "") .. line:gsub("[%s:]", "") end
  end
  for long, short in pairs(names) do members[short] = url64((octets(digits[long]):gsub("^%z", ""))) end
  return members
end

local function json(members)
  local parts = {}
  for name, value in pairs(members) do parts[#parts + 1] = ('"%s":"%s"'):format(name, value) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Whether openssl verifies a token with a public key in a file.
local function verified(jwt, public, algorithm)
  local signed, signature = jwt:match("^([%w_-]+%.[%w_-]+)%.([%w_-]+)$")
  process.write(path "signed", signed)
  process.write(path "signature", from_url64(signature))
  return openssl(("dgst -sha%s -verify %s -signature signature signed"):format(algorithm:sub(3), public))
    :find("Verified OK", 1, true) ~= nil
end

local function header_of(jwt) return from_url64(jwt:match("^[^.]+")) end
local function claims_of(jwt) return from_url64(jwt:match("^[^.]+%.([^.]+)")) end

-- DER of a certificate in base64, as x5c has it.
local function der(file)
  return (openssl("x509 -in " .. file .. " -outform DER | openssl base64 -A"))
end

local function make_authority()
  openssl "req -x509 -newkey rsa:2048 -nodes -subj '/CN=Root' -days 30 -keyout root.key -out root.pem"
  openssl "req -new -newkey rsa:2048 -nodes -subj '/CN=Middle' -keyout middle.key -out middle.csr"
  process.write(path "ca.cnf", "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n")
  openssl "x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 2 -days 30 -extfile ca.cnf -out middle.pem"
  openssl "req -new -key rsa.pem -subj '/CN=Leaf' -out leaf.csr"
  openssl "x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 3 -days 30 -out leaf.pem"
  process.write(path "chain.pem", read "root.pem" .. read "middle.pem")
  process.write(path "bundle.pem", read "root.pem" .. read "leaf.pem" .. read "middle.pem")
end

-- A certificate of another time: "20200101000000Z".
local function make_dated(name, from, to)
  process.write(path "dated.cnf", ([[
[ca]
default_ca=d
[d]
database=%s/index
serial=%s/serial
new_certs_dir=%s
default_md=sha256
policy=p
rand_serial=yes
[p]
commonName=supplied
]]):format(folder, folder, folder))
  process.write(path "index", "")
  openssl(("ca -batch -config dated.cnf -selfsign -keyfile rsa.pem -in leaf.csr -notext"
    .. " -startdate %s -enddate %s -out %s"):format(from, to, name))
end

setup(function()
  folder = process.folder()
  openssl "genrsa -out rsa.pem 2048"
  openssl "rsa -in rsa.pem -traditional -out pkcs1.pem"
  openssl "rsa -in rsa.pem -traditional -aes256 -passout PASS -out pkcs1_aes.pem"
  openssl "pkcs8 -topk8 -in rsa.pem -passout PASS -out pkcs8_aes.pem"
  openssl "pkcs8 -topk8 -in rsa.pem -v1 PBE-MD5-DES -provider legacy -provider default -passout PASS -out pkcs8_des.pem"
  openssl "rsa -in rsa.pem -pubout -out public.pem"
  openssl "rsa -in rsa.pem -RSAPublicKey_out -out public1.pem"
  openssl "rsa -in rsa.pem -outform DER -out rsa.der"
  openssl "genrsa -out other.pem 2048"
  openssl "rsa -in other.pem -pubout -out other_public.pem"
  make_authority()
  openssl "pkcs12 -export -inkey rsa.pem -in leaf.pem -certfile chain.pem -passout PASS -out new.p12"
  openssl "pkcs12 -export -legacy -inkey rsa.pem -in leaf.pem -certfile chain.pem -passout PASS -out old.p12"
  openssl "pkcs12 -export -inkey rsa.pem -in leaf.pem -passout pass: -out empty.p12"
  openssl "pkcs12 -export -nokeys -in leaf.pem -passout PASS -out keyless.p12"
end)

teardown(function() process.remove(folder) end)

local function refused(code, reason, options)
  local key, message, got, detail = grant.key(options)
  assert.is_nil(key)
  assert.are.equal(code, got, message)
  assert.are.equal(reason, detail.reason, message)
  assert.is_true(#message > 10 and #message < 400)
  assert.is_nil(message:find(PASSPHRASE, 1, true))
  assert.is_nil(message:find("MII", 1, true), message)
  return message
end

local FORMS = {
  { "PKCS#8", "rsa.pem" }, { "PKCS#1", "pkcs1.pem" }, { "PKCS#1 with a passphrase", "pkcs1_aes.pem", true },
  { "PKCS#8 with a passphrase", "pkcs8_aes.pem", true }, { "PKCS#8 with an old cipher", "pkcs8_des.pem", true },
  { "DER", "rsa.der" }, { "PKCS#12", "new.p12", true }, { "PKCS#12 with old ciphers", "old.p12", true },
}

describe("a key", function()
  for _, form in ipairs(FORMS) do
    it("in " .. form[1] .. " signs, from text and from file", function()
      local passphrase = form[3] and PASSPHRASE or nil
      for _, options in ipairs { { key = read(form[2]) }, { key_file = path(form[2]) } } do
        options.passphrase, options.kid = passphrase, "key-1"
        local key = assert(grant.key(options))
        for _, algorithm in ipairs { "RS256", "RS384", "RS512" } do
          local jwt = assert(key:sign('{"iss":"me"}', algorithm))
          assert.is_true(verified(jwt, "public.pem", algorithm))
          assert.are.equal('{"alg":"' .. algorithm .. '","typ":"JWT","kid":"key-1"}', header_of(jwt))
          assert.are.equal('{"iss":"me"}', claims_of(jwt))
        end
      end
    end)
  end

  it("in JWK signs, with its own kid or another, and without its factors", function()
    local members = jwk_of "rsa.pem"
    members.kid = "from-jwk"
    local key = assert(grant.key { key = json(members) })
    local jwt = assert(key:sign('{"a":1}', "RS512"))
    assert.is_true(verified(jwt, "public.pem", "RS512"))
    assert.is_truthy(header_of(jwt):find('"kid":"from-jwk"', 1, true))
    local named = assert(grant.key { key = json(members), kid = "x" })
    assert.is_truthy(header_of(named:sign "{}"):find('"kid":"x"', 1, true))
    for _, name in ipairs { "p", "q", "dp", "dq", "qi" } do members[name] = nil end
    assert.is_true(verified(assert(assert(grant.key { key = " " .. json(members) }):sign "{}"), "public.pem", "RS256"))
  end)

  it("that came through an environment variable is understood", function()
    assert(grant.key { key = (read "rsa.pem":gsub("\n", "\\n")), kid = "k" })
    openssl "base64 -in new.p12 -out new.b64"
    assert(grant.key { key = read "new.b64", passphrase = PASSPHRASE })
  end)

  it("is understood in what its carriers make of it", function()
    local function base64(text)
      process.write(path "plain", text)
      openssl "base64 -A -in plain -out coded"
      return read "coded"
    end
    local pem, jwk, old = read "rsa.pem", json(jwk_of "rsa.pem"), read "pkcs1_aes.pem"
    local public = read "public.pem"
    local forms = { base64(pem), base64(jwk), base64("\239\187\191" .. jwk), "\239\187\191" .. jwk,
      "\239\187\191" .. pem, (pem:gsub("\n", " ")), (pem:gsub("\n", "\\r\\n")), (pem:gsub("\n", "\\n\n")),
      (pem:gsub("\n", "\r")), (pem:gsub("\n", "\r\n")), (pem:gsub("[^\n]+", "    %0  ")), (pem:gsub("\n", "\n\n")),
      base64((pem:gsub("\n", "\r\n"))) .. "\n", (pem:gsub("\n", "")) }
    for number, text in ipairs(forms) do
      local key, message = grant.key { key = text, kid = "k" }
      assert(key, number .. ": " .. tostring(message))
      assert.are.equal(public, key:public())
    end
    for number, text in ipairs { (old:gsub("\n", " ")), (old:gsub("\n", "\\n")), base64(old), (old:gsub("\n", "\r")),
      (old:gsub("[^\n]+", "  %0")) } do
      local key, message = grant.key { key = text, kid = "k", passphrase = PASSPHRASE }
      assert(key, number .. ": " .. tostring(message))
    end
    local certificate = read "leaf.pem" .. read "chain.pem"
    for _, text in ipairs { base64(certificate), (certificate:gsub("\n", " ")), (certificate:gsub("\n", "\\r\\n")) } do
      assert(grant.key { key = pem, certificate = text })
    end
  end)

  it("whose passphrase is in another coding than its file's is opened", function()
    local utf8, latin1 = "bl\195\165b\195\166r", "bl\229b\230r"
    process.write(path "utf8", utf8)
    openssl "pkcs12 -export -inkey rsa.pem -in leaf.pem -passout file:utf8 -out utf8.p12"
    assert(grant.key { key = read "utf8.p12", passphrase = utf8 })
    assert(grant.key { key = read "utf8.p12", passphrase = latin1 })
    refused("auth", "passphrase_wrong", { key = read "utf8.p12", passphrase = latin1 .. "x" })
  end)

  it("gives its public half", function()
    assert.are.equal(read "public.pem", assert(grant.key { key = read "rsa.pem" }):public())
  end)

  it("prints without secrets", function()
    local key = assert(grant.key { key = read "rsa.pem", kid = 'a"b' })
    assert.are.equal([[altinn.events.grant.key: RSA, 2048 bits, kid "a\"b"]], tostring(key))
    key:close()
    key:close()
    assert.are.equal("altinn.events.grant.key: closed", tostring(key))
    assert.has_error(function() key:sign "{}" end)
  end)

  it("has a kid with any characters in the header", function()
    local key = assert(grant.key { key = read "rsa.pem", kid = 'nøkkel "1"\\\n' })
    assert.are.equal([[{"alg":"RS256","typ":"JWT","kid":"nøkkel \"1\"\\\u000a"}]], header_of(key:sign "{}"))
    refused("invalid", "kid", { key = read "rsa.pem", kid = "" })
    refused("invalid", "kid", { key = read "rsa.pem", kid = "\255" })
    refused("invalid", "kid", { key = read "rsa.pem", kid = ("k"):rep(1025) })
  end)

  it("that nothing names loads, and does not sign", function()
    local key = assert(grant.key { key = read "rsa.pem" })
    assert.is_nil(key:named())
    local jwt, message, code, detail = key:sign "{}"
    assert.is_nil(jwt)
    assert.are.equal("invalid", code)
    assert.are.equal("unnamed", detail.reason)
    assert.is_truthy(message:find("kid", 1, true))
  end)

  it("signs JSON objects only, with the three algorithms only", function()
    local key = assert(grant.key { key = read "rsa.pem", kid = "k" })
    for _, claims in ipairs { "", "[]", "5", '{"a":1', '{"a":1}x', '{"a":1,"a":2}', ("{}"):rep(40000) } do
      local jwt, _, code, detail = key:sign(claims)
      assert.is_nil(jwt)
      assert.are.equal("syntax", code)
      assert.are.equal("claims", detail.reason)
    end
    for _, algorithm in ipairs { "none", "HS256", "RS128", "rs256", "" } do
      assert.are.equal("unsupported", (select(3, key:sign("{}", algorithm))))
    end
  end)
end)

describe("a certificate", function()
  local function chain(...)
    local list = {}
    for _, file in ipairs { ... } do list[#list + 1] = '"' .. der(file) .. '"' end
    return '"x5c":[' .. table.concat(list, ",") .. "]}"
  end

  it("goes with its chain into x5c, leaf first, without a kid", function()
    local whole = chain("leaf.pem", "middle.pem", "root.pem")
    for _, options in ipairs {
      { key_file = path "rsa.pem", certificate = read "bundle.pem" },
      { key_file = path "rsa.pem", certificate_file = path "bundle.pem" },
      { key = read "bundle.pem" .. read "pkcs1.pem" },
      { key_file = path "new.p12", passphrase = PASSPHRASE },
      { key = read "old.p12", passphrase = PASSPHRASE },
    } do
      local key = assert(grant.key(options))
      assert.are.equal("x5c", key:named())
      local jwt = assert(key:sign("{}", "RS256"))
      assert.are.equal('{"alg":"RS256","typ":"JWT",' .. whole, header_of(jwt))
      assert.is_true(verified(jwt, "public.pem", "RS256"))
    end
  end)

  it("may stand alone; strangers beside it are left out", function()
    assert.are.equal(1, select(2, header_of(grant.key { key = read "rsa.pem", certificate = read "leaf.pem" }:sign "{}")
      :gsub('"MII', "")))  -- within the text the letters may stand by chance
    openssl "req -x509 -key other.pem -subj '/CN=Stranger' -days 3 -out stranger.pem"
    local jwt = grant.key { key = read "rsa.pem", certificate = read "stranger.pem" .. read "leaf.pem" }:sign "{}"
    assert.are.equal('{"alg":"RS256","typ":"JWT",' .. chain "leaf.pem", header_of(jwt))
  end)

  it("is left out when there is a kid", function()
    local jwt = grant.key { key = read "new.p12", passphrase = PASSPHRASE, kid = "k" }:sign "{}"
    assert.are.equal('{"alg":"RS256","typ":"JWT","kid":"k"}', header_of(jwt))
  end)

  it("of another key is refused", function()
    local message = refused("invalid", "certificate_mismatch", { key = read "rsa.pem", certificate = read "root.pem" })
    assert.is_truthy(message:find("does not belong to the key", 1, true))
  end)

  it("that has expired, or is not valid yet, is refused with the day", function()
    make_dated("expired.pem", "20200101000000Z", "20210203000000Z")
    local message = refused("invalid", "certificate_expired",
      { key = read "rsa.pem", certificate = read "expired.pem" })
    assert.is_truthy(message:find("2021-02-03", 1, true), message)
    make_dated("early.pem", "20980101000000Z", "20990101000000Z")
    message = refused("invalid", "certificate_not_yet_valid",
      { key = read "rsa.pem", certificate_file = path "early.pem" })
    assert.is_truthy(message:find("2098-01-01", 1, true), message)
    assert.is_truthy(message:find("early.pem", 1, true), message)
    -- The one that is valid is taken when both are there.
    local key = assert(grant.key { key = read "rsa.pem", certificate = read "expired.pem" .. read "leaf.pem" })
    assert.are.equal('{"alg":"RS256","typ":"JWT",' .. chain "leaf.pem", header_of(key:sign "{}"))
  end)

  it("that is none is refused", function()
    refused("syntax", "not_a_certificate", { key = read "rsa.pem", certificate = "" })
    refused("syntax", "not_a_certificate", { key = read "rsa.pem", certificate = "hello" })
    refused("syntax", "not_a_certificate", { key = read "rsa.pem", certificate = read "public.pem" })
    refused("syntax", "not_a_certificate", { key = read "rsa.pem", certificate = read("leaf.pem"):sub(1, 400) })
    refused("not_found", "file_missing", { key = read "rsa.pem", certificate_file = path "none.pem" })
  end)
end)

describe("what is no key", function()
  it("has a sentence of its own for each mistake", function()
    openssl "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem"
    openssl "ec -in ec.pem -out ec1.pem"
    openssl "genpkey -algorithm ED25519 -out ed.pem"
    openssl "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.pem"
    openssl "genrsa -out small.pem 1024"
    process.write(path "ssh.pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    for _, file in ipairs { "ec.pem", "ec1.pem", "ed.pem", "pss.pem", "ssh.pem" } do
      refused("unsupported", "key_kind", { key_file = path(file), kid = "k" })
    end
    assert.is_truthy(refused("unsupported", "key_size", { key_file = path "small.pem" }):find("1024 bits", 1, true))
    for _, file in ipairs { "public.pem", "public1.pem", "leaf.pem" } do
      refused("invalid", "public_key", { key = read(file) })
    end
    refused("invalid", "public_key", { key_file = path "keyless.p12", passphrase = PASSPHRASE })
  end)

  it("by its passphrase is told apart: missing, wrong", function()
    for _, form in ipairs(FORMS) do
      if form[3] then
        refused("auth", "passphrase_missing", { key_file = path(form[2]), kid = "k" })
        refused("auth", "passphrase_wrong", { key_file = path(form[2]), kid = "k", passphrase = PASSPHRASE .. "x" })
        refused("auth", "passphrase_wrong", { key = read(form[2]), passphrase = "" })
      end
    end
    refused("auth", "passphrase_wrong", { key = read "new.p12", passphrase = ("x"):rep(2000) })
    refused("auth", "passphrase_wrong", { key = read "new.p12", passphrase = PASSPHRASE .. "\0x" })
    assert(grant.key { key = read "empty.p12" })
    assert(grant.key { key = read "empty.p12", passphrase = "" })
    assert(grant.key { key = read "rsa.pem", passphrase = "needless", kid = "k" })
  end)

  it("by an algorithm of long ago in old PEM is told, with its name", function()
    openssl "rsa -in rsa.pem -des -traditional -provider legacy -provider default -passout PASS -out des.pem"
    local message = refused("unsupported", "encryption", { key = read "des.pem", passphrase = PASSPHRASE, kid = "k" })
    assert.is_truthy(message:find("DES-CBC", 1, true), message)
  end)

  it("by its content is told apart", function()
    refused("syntax", "not_a_key", { key = "" })
    refused("syntax", "not_a_key", { key = " \n" })
    refused("syntax", "not_a_key", { key = "hello" })
    refused("syntax", "not_a_key", { key = read("rsa.pem"):sub(1, 500) })
    refused("syntax", "not_a_key", { key = (read("rsa.pem"):gsub("\nMII", "\nMIJ", 1)) })
    refused("syntax", "not_a_key", { key = read("new.p12"):sub(1, 700), passphrase = PASSPHRASE })
    refused("too_large", "too_large", { key = ("x"):rep(2 ^ 20 + 1) })
  end)

  it("by its JWK is told apart", function()
    local members = jwk_of "rsa.pem"
    local function with(changes)
      local copy = {}
      for name, value in pairs(members) do copy[name] = value end
      for name, value in pairs(changes) do copy[name] = value or nil end
      return json(copy)
    end
    refused("syntax", "not_a_key", { key = "{" })
    refused("syntax", "not_a_key", { key = "{}" })
    refused("syntax", "not_a_key", { key = '{"keys":[' .. json(members) .. "]}" })
    refused("syntax", "not_a_key", { key = json(members):gsub("}", ',"kty":"RSA"}') })
    refused("unsupported", "key_kind", { key = '{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}' })
    refused("unsupported", "key_kind", { key = '{"kty":"oct","k":"AA"}' })
    refused("invalid", "public_key", { key = with { d = false } })
    refused("invalid", "key_broken", { key = with { n = false } })
    refused("invalid", "key_broken", { key = with { p = false } })
    refused("invalid", "key_broken", { key = with { n = members.n .. "=" } })
    refused("invalid", "key_broken", { key = with { n = "????" } })
    refused("invalid", "key_broken", { key = with { d = "" } })
    local other = jwk_of "other.pem"
    refused("invalid", "key_broken", { key = with { n = other.n } })
    refused("unsupported", "key_size", { key = with { n = url64(("\255"):rep(128)) } })
    refused("unsupported", "key_kind", { key = with { oth = "x" } })
  end)

  it("by its file is told apart", function()
    local message = refused("not_found", "file_missing", { key_file = path "none.pem" })
    assert.is_truthy(message:find("none.pem", 1, true))
    refused("storage", "file_unreadable", { key_file = folder })
    refused("too_large", "too_large", { key_file = "/dev/zero" })
  end)

  it("by its options raises", function()
    local function raises(wanted, options)
      local ok, message = pcall(grant.key, options)
      assert.is_false(ok)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
    raises("'key' or 'key_file' is missing", {})
    raises("unknown option 'pasphrase'", { key = "x", pasphrase = "y" })
    raises("unknown option 'number'", { "x" })
    raises("give 'key_file' as a text or as a file", { key = "x", key_file = "y" })
    raises("give 'kid' or a certificate, not both", { key = "x", kid = "y", certificate = "z" })
    raises("option 'kid' of grant.key must be a string", { key = "x", kid = 5 })
    assert.has_error(function() grant.key() end)
  end)
end)

describe("verify", function()
  local function signed(algorithm)
    return assert(assert(grant.key { key = read "rsa.pem", kid = "k" }):sign('{"a":[1,{"b":2}]}', algorithm or "RS256"))
  end

  it("takes what was signed, against each form of the public key", function()
    openssl "x509 -in leaf.pem -outform DER -out leaf.der"
    openssl "rsa -in rsa.pem -pubout -outform DER -out public.der"
    local members = jwk_of "rsa.pem"
    local public = json { kty = "RSA", n = members.n, e = members.e }
    for _, algorithm in ipairs { "RS256", "RS384", "RS512" } do
      for _, key in ipairs { read "public.pem", read "public1.pem", read "leaf.pem", read "leaf.der", read "public.der",
        public, json(members) } do
        local header, claims = grant.verify(signed(algorithm), key)
        assert.are.equal('{"alg":"' .. algorithm .. '","typ":"JWT","kid":"k"}', header)
        assert.are.equal('{"a":[1,{"b":2}]}', claims)
      end
    end
  end)

  it("takes what openssl signed", function()
    local text = url64 '{"alg":"RS384"}' .. "." .. url64 '{"iss":"æ"}'
    process.write(path "text", text)
    openssl "dgst -sha384 -sign rsa.pem -out text.sig text"
    local header, claims = grant.verify(text .. "." .. url64(read "text.sig"), read "public.pem")
    assert.are.equal('{"alg":"RS384"}', header)
    assert.are.equal('{"iss":"æ"}', claims)
  end)

  it("takes the leaf of x5c when no key is given", function()
    local jwt = assert(grant.key { key = read "new.p12", passphrase = PASSPHRASE }:sign '{"a":1}')
    assert.are.equal('{"a":1}', (select(2, grant.verify(jwt))))
    local header, _, code = grant.verify(signed())
    assert.is_nil(header)
    assert.are.equal("syntax", code)
  end)

  it("refuses another key and each change", function()
    local jwt = signed()
    local header, claims, signature = jwt:match("^(.-)%.(.-)%.(.-)$")
    local function wrong(code, text, key)
      local got, message, got_code = grant.verify(text, key or read "public.pem")
      assert.is_nil(got)
      assert.are.equal(code, got_code, message)
      assert.is_nil(message:find(signature:sub(1, 20), 1, true))
    end
    wrong("auth", jwt, read "other_public.pem")
    wrong("auth", header .. "." .. url64 '{"a":2}' .. "." .. signature)
    wrong("auth", url64 '{"alg":"RS512","kid":"k"}' .. "." .. claims .. "." .. signature)
    wrong("auth", header .. "." .. claims .. ".")
    wrong("auth", header .. "." .. claims .. "." .. url64(from_url64(signature):sub(2)))
    wrong("unsupported", url64 '{"alg":"none"}' .. "." .. claims .. ".")
    wrong("unsupported", url64 '{"alg":"HS256"}' .. "." .. claims .. "." .. signature)
    wrong("unsupported", url64 '{"kid":"k"}' .. "." .. claims .. "." .. signature)
    wrong("unsupported", url64 '{"alg":"RS256","crit":["b64"],"b64":false}' .. "." .. claims .. "." .. signature)
    wrong("syntax", url64 '{"alg":"none","alg":"RS256"}' .. "." .. claims .. "." .. signature)
    wrong("syntax", url64 '{"\\u0061lg":"RS256"}' .. "." .. claims .. "." .. signature)
    for _, text in ipairs { "", ".", "..", "...", "a.b", jwt .. ".x", jwt .. "=", jwt:gsub("%.", "!", 1), "é" .. jwt,
      header .. "." .. url64 "[]" .. "." .. signature, header .. "." .. url64 "{" .. "." .. signature } do
      wrong("syntax", text)
    end
    wrong("too_large", jwt .. ("A"):rep(70000))
    wrong("invalid", jwt, read "rsa.pem")
    wrong("syntax", jwt, "")
    wrong("syntax", jwt, "hello")
    wrong("unsupported", jwt, '{"kty":"EC"}')
  end)

  it("inspect gives the parts of what nobody has verified", function()
    local header, claims = grant.inspect(url64 '{"alg":"none"}' .. "." .. url64 '{"a":1}' .. ".")
    assert.are.equal('{"alg":"none"}', header)
    assert.are.equal('{"a":1}', claims)
    assert.are.equal("syntax", (select(3, grant.inspect "opaque")))
  end)
end)

describe("random", function()
  it("numbers have their length and differ", function()
    assert.are.equal(16, #grant.random(16))
    assert.are_not.equal(grant.random(16), grant.random(16))
    assert.has_error(function() grant.random(0) end)
    assert.has_error(function() grant.random(1025) end)
  end)

  it("UUIDs are of version 4, and none comes twice", function()
    local seen = {}
    for _ = 1, 1000 do
      local uuid = grant.uuid()
      assert.is_truthy(uuid:find("^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$"))
      assert.are.equal(36, #uuid)
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)

describe("digests", function()
  local TEXTS = { "", "abc", ("a"):rep(1000000), "\0\1\255", "rule { name = 'x' }\n" }

  -- What openssl prints for a text, by a command that ends with the text's file.
  local function of_openssl(arguments, text)
    process.write(path "digested", text)
    return openssl(arguments .. " digested"):match "(%x+)%s*$"
  end

  it("are SHA-256", function()
    -- FIPS 180-4, examples of the National Institute of Standards and Technology.
    assert.are.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.sha256 "abc")
    assert.are.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", core.sha256 "")
    for _, text in ipairs(TEXTS) do assert.are.equal(of_openssl("dgst -sha256", text), core.sha256(text)) end
    -- Each length of the last block.
    for length = 0, 130 do
      local text = ("ab"):rep(65):sub(1, length)
      assert.are.equal(of_openssl("dgst -sha256", text), core.sha256(text))
    end
    assert.has_error(function() core.sha256() end)
  end)

  it("are HMAC-SHA-256 under a key of bytes", function()
    -- RFC 4231, test cases 1, 2 and 6.
    assert.are.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      grant.hmac_sha256(("\11"):rep(20), "Hi There"))
    assert.are.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      grant.hmac_sha256("Jefe", "what do ya want for nothing?"))
    assert.are.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      grant.hmac_sha256(("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
    for _, text in ipairs(TEXTS) do
      assert.are.equal(of_openssl("dgst -sha256 -mac HMAC -macopt hexkey:00ff41", text),
        grant.hmac_sha256("\0\255A", text))
    end
    assert.are.equal(64, #grant.hmac_sha256("", "x"))
    assert.has_error(function() grant.hmac_sha256 "key" end)
  end)
end)

describe("any bytes", function()
  -- Each damaged in a few places, in the same way every time.
  local function damage(text, seed)
    local state = seed
    local function below(limit)
      state = (state * 16807) % 2147483647
      return state % limit
    end
    for _ = 1, 1 + below(4) do
      local at = 1 + below(#text)
      text = text:sub(1, at - 1) .. string.char(below(256)) .. text:sub(at + below(3))
    end
    return text
  end

  it("as a key are an answer", function()
    local members = jwk_of "rsa.pem"
    for _, text in ipairs { read "rsa.pem", read "pkcs1_aes.pem", read "rsa.der", json(members), read "empty.p12",
      read "leaf.pem", "-----BEGIN PRIVATE KEY-----", "\48\130", ("{"):rep(100) } do
      for seed = 1, 25 do
        local key, message, code, detail = grant.key { key = damage(text, seed), passphrase = "", kid = "k" }
        if not key then
          assert.are.equal("string", type(message))
          assert.are.equal("string", type(code))
          assert.are.equal("string", type(detail.reason))
        end
      end
    end
  end)

  it("as a token, its key or a certificate are an answer", function()
    local jwt = grant.key { key = read "new.p12", passphrase = PASSPHRASE }:sign '{"a":1}'
    for seed = 1, 50 do
      local text = damage(jwt, seed)
      if text ~= jwt then assert.is_nil((grant.verify(text, read "public.pem"))) end
      grant.verify(text)
      grant.verify(jwt, damage(read "public.pem", seed))
      grant.key { key = read "rsa.pem", certificate = damage(read "leaf.pem", seed) }
    end
  end)
end)
