# altinn-events. The targets, for people and for programs:
#   make            build for Lua 5.4 into build/lua5.4
#   make run        the host with the demonstration (ONCE=1: what is there, then end)
#   make test       build, then all specs, then those of the module in the other Luas
#   make check      linters, sanitizers, valgrind, clang, the other Lua versions
#   make bench, make fuzz [FUZZ_SECONDS=60] [FUZZ=event], make rock, make install PREFIX=, make clean
#   make -s env [LUA=5.1|5.2|5.3|5.4|luajit]   the export lines for that Lua
# Missing Debian packages are installed first (.ci/setup); SETUP=no: they are only named.

LUA      = 5.4
CC       = gcc
PREFIX   = /usr/local
OPTIMIZE = -O3 -g -DNDEBUG
CFLAGS   =
LDFLAGS  =
LINK     = -shared
# What hardens the modules where the linker is GNU's or LLVM's; spec/hardening_spec.lua looks at what was built.
LINUX    := $(filter Linux,$(shell uname -s))
HARDEN   = -fstack-protector-strong $(if $(LINUX),-fstack-clash-protection) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDEN_LINK = $(if $(LINUX),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now$(comma)-z$(comma)noexecstack)

LUANAME := $(if $(filter luajit,$(LUA)),luajit,lua$(patsubst lua%,%,$(LUA)))
ABI     := $(if $(filter luajit,$(LUA)),5.1,$(patsubst lua%,%,$(LUA)))
VARIANT  =
BUILD    = build/$(LUANAME)$(VARIANT)
OBJ      = $(BUILD)/obj
OUT      = $(BUILD)/altinn/events

LUA_INCLUDE = $(if $(filter luajit,$(LUA)),-isystem /usr/include/luajit-2.1,$(foreach \
  d,/usr/include/lua$(ABI) /usr/include/lua-$(ABI) /usr/local/include/lua$(ABI),-isystem $(d)))
WARN   = -Wall -Wextra -Wpedantic -Wconversion -Wshadow
STRICT = -std=c11 -D_GNU_SOURCE $(WARN) -fvisibility=hidden -fPIC -pthread
ALL_CFLAGS = $(STRICT) -Icsrc $(HARDEN) $(OPTIMIZE) $(LUA_INCLUDE) $(CFLAGS) $(addprefix -I,$(HEADERS_IN))
# Folders of libraries that are in no usual place; what is linked remembers them.
HEADERS_IN   =
LIBRARIES_IN =
PLACES = $(addprefix -L,$(LIBRARIES_IN)) \
  $(patsubst %,-Wl$(comma)-rpath$(comma)%,$(filter-out /lib /usr/lib /usr/local/lib,$(LIBRARIES_IN)))
comma = ,

# The folder says which module a file belongs to.
CORE_C  := $(sort $(wildcard csrc/core/*.c))
GRANT_C := $(sort $(wildcard csrc/net/grant*.c))
CURL_C  := $(filter-out $(GRANT_C),$(sort $(wildcard csrc/net/*.c)))
HOST_C  := $(sort $(wildcard csrc/http/*.c csrc/inbox/*.c csrc/host/*.c))
binding = $(sort $(wildcard csrc/lua/$(1)/*.c))
BOTH_C  := $(sort $(wildcard csrc/lua/*.c))  # of the bindings of core and host
SOURCES   := $(CORE_C) $(CURL_C) $(GRANT_C) $(HOST_C) $(BOTH_C) $(foreach m,core curl grant host,$(call binding,$(m)))
objects = $(patsubst csrc/%.c,$(OBJ)/%.o,$(1))

MODULES = core curl grant $(if $(filter lua5.4,$(LUANAME)),host)
SHARED  = $(patsubst %,$(OUT)/%.so,$(MODULES))
WRAPPER = $(if $(filter lua5.4,$(LUANAME)),$(BUILD)/bin/altinn-events)

LUA_FILES := $(sort $(shell find lua -name '*.lua' 2>/dev/null))
# The Lua files of the host run on 5.4 only, those of the module on every Lua.
HOST_LUA := $(filter lua/altinn-events.lua $(addprefix lua/altinn/events/,host/% commands/% dev/% emulator/% \
  test.lua test/%),$(LUA_FILES))
MODULE_LUA := $(filter-out $(HOST_LUA),$(LUA_FILES))
SPECS        = spec examples
MODULE_SPECS = $(wildcard spec/events_spec.lua spec/vectors_spec.lua spec/match_spec.lua spec/core_spec.lua \
  spec/json_spec.lua spec/roundtrip_spec.lua spec/paging_spec.lua spec/corpus_spec.lua \
  spec/grant_spec.lua spec/maskinporten_spec.lua spec/maskinporten_cache_spec.lua \
  spec/plan_spec.lua spec/client_module_spec.lua spec/thing_spec.lua spec/engine_spec.lua spec/effects_spec.lua \
  spec/calendar_spec.lua spec/language_later_spec.lua spec/retry_table_spec.lua spec/cause_spec.lua \
  spec/gate_spec.lua \
  spec/effects_file_spec.lua spec/effects_command_spec.lua)

ENV = PATH='$(CURDIR)/$(BUILD)/bin':"$$PATH" AE_BUILD='$(BUILD)' \
  LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' LUA_CPATH='$(CURDIR)/$(BUILD)/?.so;;'
BUSTED = $(LUANAME) "$$(command -v busted)"

.PHONY: all modules run test test-module check bench fuzz soak install uninstall env clean FORCE \
  rock rockspecs definitions rock-install rock-files \
  check-lua check-c check-clang check-asan check-valgrind check-versions check-rocks check-fuzz fuzz-coverage
.DELETE_ON_ERROR:

all: modules

# Packages. Order-only everywhere: being there is not news.
SETUPS = $(addprefix setup-,build run test check bench fuzz rock lua5.1 lua5.2 lua5.3 luajit)
.PHONY: $(SETUPS)
$(SETUPS): setup-%:
	@sh .ci/setup $*
BUILD_SETUP = setup-build $(if $(filter lua5.4,$(LUANAME)),,setup-$(LUANAME))

modules: $(SHARED) $(WRAPPER) | $(BUILD_SETUP)

# Whatever changes the objects without changing a source: compiler, flags, place.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(LINK) $(HARDEN_LINK) $(PLACES) $(LDFLAGS) $(CURDIR)' | cmp -s - $@ || \
	  echo '$(CC) $(ALL_CFLAGS) $(LINK) $(HARDEN_LINK) $(PLACES) $(LDFLAGS) $(CURDIR)' >$@
# A file that came or went links anew.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(SOURCES)' | cmp -s - $@ || echo '$(SOURCES)' >$@
FORCE:

$(OBJ)/%.o: csrc/%.c $(BUILD)/flags | $(BUILD_SETUP)
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/core.so: $(call objects,$(CORE_C) $(BOTH_C) $(call binding,core))
$(OUT)/curl.so: $(call objects,csrc/core/slice.c csrc/core/loopback.c $(CURL_C) $(call binding,curl))
$(OUT)/curl.so: LIBS = -lcurl -lpthread
$(OUT)/grant.so: $(call objects,csrc/core/slice.c csrc/core/json.c csrc/core/base64.c $(GRANT_C) $(call binding,grant))
$(OUT)/grant.so: LIBS = -lcrypto
$(OUT)/host.so: $(call objects,$(CORE_C) $(BOTH_C) $(HOST_C) $(call binding,host))
# The thread of the log may outlive the Lua state that loaded the module: it is never unloaded.
$(OUT)/host.so: LIBS = -lmicrohttpd -lsqlite3 -lpthread -Wl,-z,nodelete
$(OUT)/%.so: $(BUILD)/flags $(BUILD)/sources
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	@$(CC) $(LINK) $(HARDEN_LINK) $(LDFLAGS) $(OPTIMIZE) $(CFLAGS) -o $@ $(filter %.o,$^) $(PLACES) $(LIBS)

# The core alone, for programs in C.
$(BUILD)/libaltinn-events-core.a: $(call objects,$(CORE_C))
	@echo '  AR    $@'
	@$(AR) rcs $@ $^

# Becomes lua5.4 (exec), so that a signal to it is a signal to the host.
$(BUILD)/bin/altinn-events: Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	@{ echo '#!/bin/sh'; \
	  echo 'LUA_PATH_5_4="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$${LUA_PATH_5_4-$$LUA_PATH};;"'; \
	  echo 'LUA_CPATH_5_4="$(CURDIR)/$(BUILD)/?.so;$${LUA_CPATH_5_4-$$LUA_CPATH};;"'; \
	  echo 'export LUA_PATH_5_4 LUA_CPATH_5_4'; \
	  echo 'exec lua5.4 "$(CURDIR)/lua/altinn-events.lua" "$$@"'; } >$@
	@chmod +x $@

-include $(shell find build -name '*.d' 2>/dev/null)

# The environment. Nothing but export lines on standard output.
env:
	@$(MAKE) --no-print-directory LUA='$(LUA)' modules >&2
	$(if $(WRAPPER),,@$(MAKE) --no-print-directory LUA=5.4 modules >&2)
	@echo "export LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(CURDIR)/$(BUILD)/?.so;;'"
	@echo "export PATH='$(CURDIR)/build/lua5.4/bin:$(PATH)'"

# The demonstration: the host, a service of its own as target, and four events.
run: modules | setup-run
	@$(ENV) ONCE='$(ONCE)' sh examples/demo/run.sh

# Named specs (SPECS=...) are run in the Lua that is asked for alone.
test: modules | setup-test setup-lua5.1 setup-lua5.3 setup-luajit
	$(MAKE) --no-print-directory LUA=luajit modules  # for nginx
	$(if $(filter spec/%,$(SPECS)),,$(MAKE) --no-print-directory LUA=5.3 modules)  # for HAProxy
	$(ENV) $(BUSTED) $(BUSTED_FLAGS) $(SPECS)
	$(if $(BUSTED_FLAGS)$(filter-out spec examples,$(SPECS)),,$(MAKE) check-versions)

# Linters and the rest; each part can be called alone.
check: check-lua check-c check-clang check-asan check-valgrind check-versions check-rocks check-fuzz
	@echo 'check: all fine'

check-lua: | setup-check
	luacheck -q lua spec examples rockspec/release.lua
	for f in $(MODULE_LUA); do luac5.1 -p "$$f" || exit 1; done

check-c: | setup-check setup-build
	clang-format --dry-run -Werror $(shell find csrc -name '*.[ch]')
	cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 -D_GNU_SOURCE -Icsrc csrc
	printf '%s\n' $(SOURCES) | xargs -P 2 -I{} clang-tidy --quiet {} -- -std=c11 -D_GNU_SOURCE -Icsrc $(WARN) $(LUA_INCLUDE)

check-clang: | setup-check
	$(MAKE) CC=clang VARIANT=-clang CFLAGS=-Werror modules
	$(MAKE) CC=gcc VARIANT=-gcc CFLAGS=-Werror modules

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# (curl(1) hangs with libasan preloaded: it goes without.)
check-asan: | setup-check setup-test
	$(MAKE) --no-print-directory LUA=luajit modules
	$(MAKE) CC=gcc VARIANT=-asan HARDEN= OPTIMIZE='-O1 -g' CFLAGS='$(SANITIZE)' modules
	printf '#!/bin/sh\nexec env -u LD_PRELOAD %s "$$@"\n' "$$(command -v curl)" >$(BUILD)-asan/bin/curl
	chmod +x $(BUILD)-asan/bin/curl
	$(subst $(BUILD),$(BUILD)-asan,$(ENV)) \
	  ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  $(BUSTED) $(SPECS)

# In the other Luas what needs no server. (LuaJIT has memory of its own, which valgrind cannot see into.)
CORE_SPECS = $(addprefix spec/,$(addsuffix _spec.lua,events core json match vectors roundtrip))
VALGRIND = valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
  --errors-for-leak-kinds=definite
check-valgrind: modules | setup-check setup-test
	$(ENV) $(VALGRIND) $(BUSTED) $(if $(filter lua5.4,$(LUANAME)),$(MODULE_SPECS),$(CORE_SPECS))
	$(if $(filter lua5.4,$(LUANAME)),for v in 5.1 5.2 5.3; do $(MAKE) LUA=$$v check-valgrind || exit 1; done)

check-fuzz:
	$(MAKE) --no-print-directory FUZZ_SECONDS=5 fuzz

check-versions: | setup-test
	for v in 5.1 5.2 5.3 luajit; do $(MAKE) --no-print-directory LUA=$$v test-module || exit 1; done

test-module: modules
	@echo '  TEST  $(LUANAME): the module'
	@$(ENV) $(BUSTED) $(MODULE_SPECS)

bench: modules | setup-bench
	$(MAKE) --no-print-directory LUA=luajit modules
	@if test -f spec/bench/run.lua; then $(ENV) lua5.4 spec/bench/run.lua $(BENCH); \
	else for f in $(sort $(wildcard spec/bench/*_bench.lua)); do $(ENV) lua5.4 $$f || exit 1; done; fi

# Longer runs than `make test` has time for.
soak: modules | setup-test
	$(MAKE) --no-print-directory LUA=luajit modules
	$(ENV) SOAK=100000 ALTINN_EVENTS_KILL_ROUNDS=200 $(BUSTED) spec/soak_spec.lua spec/host_kill_spec.lua spec/store_fault_spec.lua
	$(ENV) DEV_SAVES=50 $(BUSTED) --filter=saved spec/command_dev_spec.lua
	$(ENV) PAPER=10000 RELOADS=12000 DEATHS=10000 $(BUSTED) spec/paper_soak_spec.lua spec/reload_soak_spec.lua spec/deaths_soak_spec.lua
	$(ENV) STORED_EVENTS=100 RULE_CHANGES=1000 $(BUSTED) spec/stored_event_spec.lua spec/rehearsal_spec.lua
	$(ENV) WHY=10000 $(BUSTED) spec/why_property_spec.lua
	$(ENV) MUTANTS=1 $(BUSTED) spec/mutants_soak_spec.lua

# Packs both rocks of the release, source and binary, from the files that git would hold: build/rock/*.rock. Builds them
# from the packed rocks into a tree of their own, and asks the result for its version.
ROCK_PLACE = build/rock
rock: | $(BUILD_SETUP) setup-rock
	lua5.4 rockspec/release.lua >/dev/null
	rm -rf $(ROCK_PLACE)
	for what in pack install binary; do env -u CFLAGS .ci/rocks $$what $(ROCK_PLACE) 5.4 || exit 1; done
	mv $(ROCK_PLACE)/server/*.src.rock $(ROCK_PLACE)/5.4/*.rock $(ROCK_PLACE)
	cd / && env -u LUA_PATH -u LUA_CPATH '$(CURDIR)/$(ROCK_PLACE)/5.4/tree/bin/altinn-events' version
	ls $(ROCK_PLACE)/*.rock

# The rockspecs of the release, made of the development ones.
rockspecs: | $(BUILD_SETUP)
	lua5.4 rockspec/release.lua write

# The closed sets of the core (event types, statuses, environments) and the kinds of effects as definitions for editors,
# and the README's tables.
definitions: modules
	$(ENV) lua5.4 spec/support/types_table.lua README.md
	$(ENV) lua5.4 spec/support/catalogue.lua >$(BUILD)/catalogue.lua
	mv $(BUILD)/catalogue.lua lua/altinn/events/library/catalogue.lua
	$(ENV) lua5.4 spec/support/effects_table.lua README.md
	$(ENV) lua5.4 spec/support/effects_table.lua definitions >$(BUILD)/effects.lua
	mv $(BUILD)/effects.lua lua/altinn/events/library/effects.lua

# The packed rocks installed for every Lua with LuaRocks' own flags, and all specs run against what is installed.
check-rocks: modules | setup-test setup-lua5.1 setup-lua5.2 setup-lua5.3 setup-luajit
	ROCKS=full $(ENV) $(BUSTED) spec/installed_spec.lua

# What LuaRocks calls after building the modules: the files of ROCK go to LUADIR and LIBDIR.
ROCK_LUA = $(if $(filter altinn-events-host,$(ROCK)),$(filter-out lua/altinn-events.lua,$(HOST_LUA)),$(MODULE_LUA))
rock-install:
	for f in $(ROCK_LUA); do mkdir -p "$(LUADIR)/$$(dirname "$${f#lua/}")" && \
	  cp "$$f" "$(LUADIR)/$${f#lua/}" || exit 1; done
	mkdir -p "$(LIBDIR)/altinn/events"
	for m in $(MODULES); do cp $(OUT)/$$m.so "$(LIBDIR)/altinn/events/$$m.so" || exit 1; done
rock-files:
	@printf '%s\n' $(ROCK_LUA)

# Into PREFIX, for Lua 5.4; DESTDIR goes before it when packaging.
SHARE = $(PREFIX)/share/lua/5.4
LIB   = $(PREFIX)/lib/lua/5.4
DOC   = $(PREFIX)/share/altinn-events
install: all | setup-run
	for f in $(LUA_FILES); do install -D -m 644 "$$f" "$(DESTDIR)$(SHARE)/$${f#lua/}" || exit 1; done
	for m in $(MODULES); do \
	  install -D -m 644 $(OUT)/$$m.so "$(DESTDIR)$(LIB)/altinn/events/$$m.so" || exit 1; done
	cd examples && find . -type f -exec install -D -m 644 {} "$(DESTDIR)$(DOC)/examples/{}" \;
	install -D -m 644 README.md "$(DESTDIR)$(DOC)/README.md"
	for f in rockspec/README.md spec/vectors/choices.md; do \
	  install -D -m 644 "$$f" "$(DESTDIR)$(DOC)/$$f" || exit 1; done
	mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	{ echo '#!/bin/sh'; \
	  echo 'LUA_PATH_5_4="$(SHARE)/?.lua;$(SHARE)/?/init.lua;$${LUA_PATH_5_4-$$LUA_PATH};;"'; \
	  echo 'LUA_CPATH_5_4="$(LIB)/?.so;$${LUA_CPATH_5_4-$$LUA_CPATH};;"'; \
	  echo 'export LUA_PATH_5_4 LUA_CPATH_5_4'; \
	  echo 'exec lua5.4 "$(SHARE)/altinn-events.lua" "$$@"'; } >"$(DESTDIR)$(PREFIX)/bin/altinn-events"
	chmod 755 "$(DESTDIR)$(PREFIX)/bin/altinn-events"

uninstall:
	rm -rf "$(DESTDIR)$(SHARE)/altinn/events" "$(DESTDIR)$(LIB)/altinn/events" "$(DESTDIR)$(DOC)"
	rm -f "$(DESTDIR)$(SHARE)/altinn/events.lua" "$(DESTDIR)$(SHARE)/altinn-events.lua" \
	  "$(DESTDIR)$(PREFIX)/bin/altinn-events"
	rmdir "$(DESTDIR)$(SHARE)/altinn" "$(DESTDIR)$(LIB)/altinn" 2>/dev/null || true

# Each spec/fuzz/NAME.c in turn, FUZZ_SECONDS each; what it learns stays in build/fuzz/NAME.corpus, what it
# finds in build/fuzz/NAME-*. FUZZ: which. make fuzz-coverage tells what they reach of the core.
FUZZ_SECONDS = $(or $(SECONDS),60)
FUZZ = $(patsubst spec/fuzz/%.c,%,$(wildcard spec/fuzz/*.c))
fuzz: $(patsubst %,build/fuzz/%,$(FUZZ)) build/fuzz/seeds
	@for f in $(FUZZ); do mkdir -p build/fuzz/$$f.corpus; echo "  FUZZ  $$f"; \
	  build/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
	    $$(test ! -e spec/fuzz/$$f.dict || echo -dict=spec/fuzz/$$f.dict) \
	    -artifact_prefix=build/fuzz/$$f- build/fuzz/$$f.corpus build/fuzz/seeds spec/fuzz/seeds \
	    >build/fuzz/$$f.log 2>&1 || { tail -40 build/fuzz/$$f.log; exit 1; }; \
	  sed -n 's/^stat::number_of_executed_units: */        executions: /p' build/fuzz/$$f.log; done

build/fuzz/seeds: spec/fuzz/seeds.lua spec/support/generator.lua
	@mkdir -p $@
	@LUA_PATH='$(CURDIR)/?.lua' lua5.4 $< $@
	@touch $@

FUZZ_CC = clang $(STRICT) -Icsrc -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
build/fuzz/grant: FUZZ_MORE = $(GRANT_C) -lcrypto
build/fuzz/grant: $(GRANT_C) $(wildcard csrc/net/grant*.h)
build/fuzz/differential: FUZZ_MORE = -ljansson
build/fuzz/%: spec/fuzz/%.c $(CORE_C) $(wildcard csrc/core/*.h) | setup-build setup-fuzz
	@mkdir -p $(@D)
	@echo '  FUZZ  $@'
	@$(FUZZ_CC) -o $@ $< $(CORE_C) $(FUZZ_MORE)

# What the corpora and the programs of spec/c reach: lines of each file of the core.
COVERED = $(filter-out grant,$(FUZZ))
fuzz-coverage: build/fuzz/seeds | setup-fuzz
	@mkdir -p build/fuzz/coverage
	@for f in $(COVERED); do mkdir -p build/fuzz/$$f.corpus; \
	  clang -std=c11 -D_GNU_SOURCE -Icsrc -O1 -g -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping \
	    -o build/fuzz/coverage/$$f spec/fuzz/$$f.c $(CORE_C) $$(test $$f != differential || echo -ljansson) && \
	  LLVM_PROFILE_FILE=build/fuzz/coverage/$$f.raw build/fuzz/coverage/$$f -runs=0 build/fuzz/$$f.corpus \
	    build/fuzz/seeds spec/fuzz/seeds >/dev/null 2>&1 || exit 1; done
	@clang -std=c11 -D_GNU_SOURCE -O1 -pthread -Icsrc -fprofile-instr-generate -fcoverage-mapping \
	  -o build/fuzz/coverage/heads spec/c/heads.c $(CORE_C)
	@LLVM_PROFILE_FILE=build/fuzz/coverage/heads.raw build/fuzz/coverage/heads >/dev/null
	@llvm-profdata$(LLVM) merge -o build/fuzz/coverage/all build/fuzz/coverage/*.raw
	@llvm-cov$(LLVM) report -instr-profile=build/fuzz/coverage/all build/fuzz/coverage/event \
	  $(patsubst %,-object=build/fuzz/coverage/%,$(filter-out event,$(COVERED)) heads) $(CORE_C)
LLVM = $(shell clang --version | sed -n 's/.*clang version \([0-9]*\)\..*/-\1/p')

clean:
	rm -rf build altinn
	find csrc -name '*.o' -delete
