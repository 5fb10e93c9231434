/*
** traces.c: notices that files changed, by their sizes and times; see terminal.h.
*/
#include "lua/host/terminal.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lua/compat.h"

#define MOST_DEEP 8
#define MOST_FILES 10000

/* A sum over files that does not depend on their order. */
typedef struct traces {
  uint64_t sum;
  size_t count;
} traces;

static uint64_t mixed (uint64_t hash, uint64_t value) {
  for (int i = 0; i < 8; i++) {
    hash = (hash ^ (value & 0xff)) * UINT64_C(0x100000001b3); /* FNV-1a */
    value >>= 8;
  }
  return hash;
}

static void add_file (traces *all, const char *path, const struct stat *file) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (const char *c = path; *c != '\0'; c++) hash = mixed(hash, (unsigned char)*c);
  hash = mixed(hash, (uint64_t)file->st_size);
  hash = mixed(hash, (uint64_t)file->st_mtim.tv_sec);
  hash = mixed(hash, (uint64_t)file->st_mtim.tv_nsec);
  hash = mixed(hash, (uint64_t)file->st_ino);
  all->sum += hash;
  all->count++;
}

static void walk (traces *all, const char *path, int deep);

static void walk_folder (traces *all, const char *path, int deep) {
  char name[4096];
  DIR *folder = opendir(path);
  struct dirent *entry;
  if (folder == NULL) return;
  while (all->count < MOST_FILES && (entry = readdir(folder)) != NULL) {
    int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof name) continue;
    walk(all, name, deep + 1);
  }
  closedir(folder);
}

static void walk (traces *all, const char *path, int deep) {
  struct stat file;
  if (stat(path, &file) != 0) return;
  if (S_ISDIR(file.st_mode)) {
    if (deep < MOST_DEEP) walk_folder(all, path, deep);
  } else add_file(all, path, &file);
}

int ae_host_traces (lua_State *L) {
  traces all = {0, 0};
  lua_Integer count;
  luaL_checktype(L, 1, LUA_TTABLE);
  count = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, 1, i);
    walk(&all, luaL_checkstring(L, -1), 0);
    lua_pop(L, 1);
  }
  lua_pushfstring(L, "%I %I", (LUAI_UACINT)all.sum, (LUAI_UACINT)all.count);
  return 1;
}
