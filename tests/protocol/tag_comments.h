#ifndef TESTS_PROTOCOL_TAG_COMMENTS_H
#define TESTS_PROTOCOL_TAG_COMMENTS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/random_numbers.h"

/* What may stand in comments with tags: as libraries write them, malformed, and at random. */
enum { TAG_COMMENT_SIZE = 1000 };

static const char *const tag_comment_samples[] = {
    ("action='list',application='shop',controller='customers',framework='django%3A3.2',route='%2Fcustomers%2F',"
     "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'"),
    "controller='index',route='%%2Fcustomers%%2F',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01',tracestate='a%3Db'",
    "action='%2Fparam*d',controller='index,'framework='spring',traceparent='00-1-2-01',tracestate='congo%3Dt61rcWkgMzE'",
    "dddbs='db',ddps='web'",
    "application:Shop,controller:orders,action:index",
    " controller='index' , action = 'show' ",
    "a='it\\'s',b='x'",
    "a='x,b='y'",
    "a=x,b=y z",
    "a='x',b='y,z",
    "a='x' b='y'",
    "a='',b='x'",
    "a=',b='x'",
    "a='x',a='y',ab='z'",
    " TODO (later): a, b=c ",
};

static inline const char *tag_comments_piece(uint64_t *random)
{
    static const char *const pieces[] = {"'",
                                         "'",
                                         "'",
                                         ",",
                                         ",",
                                         "=",
                                         "=",
                                         ":",
                                         " ",
                                         "\t",
                                         "\n",
                                         "%",
                                         "%2",
                                         "%2F",
                                         "%%2f",
                                         "%%",
                                         "\\",
                                         "\\'",
                                         "\\\\",
                                         "%5C",
                                         "%5C%27",
                                         "%",
                                         "\x01",
                                         "\x7f",
                                         "1",
                                         "_",
                                         "-",
                                         ".",
                                         "a",
                                         "b",
                                         "ab",
                                         "%61",
                                         "%00",
                                         "route=",
                                         "action='x'",
                                         "+",
                                         "\xc3\xa9",
                                         "='",
                                         "',",
                                         ",'",
                                         "a='x,b='y'",
                                         "job:Import",
                                         "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01",
                                         "a%b=",
                                         "traceparent='00-1'",
                                         "ab='%%41',"};
    return pieces[random_numbers_below(random, sizeof pieces / sizeof pieces[0])];
}

/* At or behind `from`: a byte less, another one, or a piece more. */
static inline void tag_comments_mutate(char text[TAG_COMMENT_SIZE], size_t from, uint64_t *random)
{
    size_t size = strlen(text);
    size_t at = from + random_numbers_below(random, (uint32_t)(size - from) + 1);
    char rest[TAG_COMMENT_SIZE];
    strcpy(rest, text + at + (at < size && random_numbers_below(random, 2) == 0));
    const char *piece = random_numbers_below(random, 3) > 0 ? tag_comments_piece(random) : "";
    if (size + strlen(piece) < TAG_COMMENT_SIZE) sprintf(text + at, "%s%s", piece, rest);
}

/* What is between the marks. It may hold marks by itself. */
static inline void tag_comments_make(char out[TAG_COMMENT_SIZE], uint64_t *random)
{
    enum { SAMPLES = sizeof tag_comment_samples / sizeof tag_comment_samples[0] };
    strcpy(out, random_numbers_below(random, 2) == 0 ? tag_comment_samples[random_numbers_below(random, SAMPLES)] : "");
    if (random_numbers_below(random, 2) == 0)
        for (uint32_t left = random_numbers_below(random, 12); left > 0; left--) strcat(out, tag_comments_piece(random));
    for (uint32_t left = random_numbers_below(random, 4); left > 0; left--) tag_comments_mutate(out, 0, random);
}

#endif
