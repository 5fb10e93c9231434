/*
** curl_site.c: which exchange may run. Sites take turns; a site that has reached its
** limit of running exchanges is passed over. A site without exchanges is freed.
*/
#include "net/curl_private.h"

#include <assert.h>
#include <stdlib.h>

static void join (ae_line *line, ae_exchange *e) {
  e->next = NULL;
  if (line->last == NULL) line->first = e;
  else line->last->next = e;
  line->last = e;
}

/* Removes an exchange from a line. False: it is not in the line. */
static bool step_out (ae_line *line, ae_exchange *e) {
  ae_exchange *before = NULL, *at = line->first;
  while (at != NULL && at != e) {
    before = at;
    at = at->next;
  }
  if (at == NULL) return false;
  if (before == NULL) line->first = e->next;
  else before->next = e->next;
  if (line->last == e) line->last = before;
  e->next = NULL;
  return true;
}

static ae_site *find_site (const ae_sites *sites, ae_slice name) {
  ae_site *site = sites->first;
  while (site != NULL && !ae_slice_equal((ae_slice){site->name, site->length}, name))
    site = site->next;
  return site;
}

static void append_site (ae_sites *sites, ae_site *site) {
  ae_site **at = &sites->first;
  while (*at != NULL) at = &(*at)->next;
  *at = site;
  site->next = NULL;
}

static ae_site *new_site (ae_sites *sites, ae_slice name) {
  ae_site *site = malloc(sizeof *site + name.length);
  if (site == NULL) return NULL;
  *site = (ae_site){.length = name.length};
  if (name.length > 0) memcpy(site->name, name.data, name.length);
  append_site(sites, site);
  return site;
}

static void unlink_site (ae_sites *sites, const ae_site *site) {
  ae_site **at = &sites->first;
  while (*at != site) at = &(*at)->next;
  *at = site->next;
}

bool ae_sites_enter (ae_sites *sites, ae_exchange *e, ae_slice name) {
  ae_site *site = find_site(sites, name);
  if (site == NULL) site = new_site(sites, name);
  if (site == NULL) return false;
  e->site = site;
  e->running = false;
  join(&site->line, e);
  return true;
}

ae_exchange *ae_sites_start (ae_sites *sites) {
  ae_site *site = sites->first;
  if (sites->running >= sites->most) return NULL;
  while (site != NULL && (site->line.first == NULL || site->running >= sites->most_of_site))
    site = site->next;
  if (site == NULL) return NULL;
  ae_exchange *e = site->line.first;
  step_out(&site->line, e);
  e->running = true;
  site->running++;
  sites->running++;
  /* The site's turn is over: it goes to the end. */
  unlink_site(sites, site);
  append_site(sites, site);
  return e;
}

void ae_sites_leave (ae_sites *sites, ae_exchange *e) {
  ae_site *site = e->site;
  assert(site != NULL);
  if (e->running) {
    assert(site->running > 0 && sites->running > 0);
    site->running--;
    sites->running--;
  } else {
    step_out(&site->line, e);
  }
  e->site = NULL;
  e->running = false;
  if (site->running > 0 || site->line.first != NULL) return;
  unlink_site(sites, site);
  free(site);
}

ae_exchange *ae_sites_find (const ae_sites *sites, uint64_t id) {
  for (const ae_site *site = sites->first; site != NULL; site = site->next)
    for (ae_exchange *e = site->line.first; e != NULL; e = e->next)
      if (e->id == id) return e;
  return NULL;
}

ae_exchange *ae_sites_any (const ae_sites *sites) {
  const ae_site *site = sites->first;
  while (site != NULL && site->line.first == NULL) site = site->next;
  return site == NULL ? NULL : site->line.first;
}
