#ifndef PROXY_LIVE_PAGE_H
#define PROXY_LIVE_PAGE_H

#include <stddef.h>

/* The bytes of live_page.html; the build makes live_page.c of it. */
extern const unsigned char live_page[];
extern const size_t live_page_size;

#endif
