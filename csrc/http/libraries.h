/*
** libraries.h: the libraries that this folder needs, each with a sentence
** for a compiler that does not find it.
*/
#ifndef ALTINN_EVENTS_HTTP_LIBRARIES_H
#define ALTINN_EVENTS_HTTP_LIBRARIES_H

#if defined(__has_include)
#if !__has_include(<microhttpd.h>)
#error \
  "microhttpd.h not found: install libmicrohttpd-dev (Debian, Ubuntu, Alpine), libmicrohttpd-devel (Fedora) or libmicrohttpd (Homebrew)"
#endif
#endif

#endif
