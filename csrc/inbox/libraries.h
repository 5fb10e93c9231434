/*
** libraries.h: the libraries that this folder needs, each with a sentence
** for a compiler that does not find it.
*/
#ifndef ALTINN_EVENTS_INBOX_LIBRARIES_H
#define ALTINN_EVENTS_INBOX_LIBRARIES_H

#if defined(__has_include)
#if !__has_include(<sqlite3.h>)
#error \
  "sqlite3.h not found: install libsqlite3-dev (Debian, Ubuntu), sqlite-devel (Fedora), sqlite-dev (Alpine) or sqlite (Homebrew)"
#endif
#endif

#endif
