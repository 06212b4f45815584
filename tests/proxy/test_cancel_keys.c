#include "proxy/cancel_keys.h"

#include <criterion/criterion.h>

static struct cancel_keys *keys;

static void start(void)
{
    keys = cancel_keys_new();
}

static void end(void)
{
    cancel_keys_free(&keys);
    cr_expect_null(keys);
    cancel_keys_free(&keys);
}

TestSuite(cancel_keys, .init = start, .fini = end);

Test(cancel_keys, finds_the_pair_only)
{
    struct cancel_key key = {0};
    cr_expect_null(cancel_keys_find(keys, 0, 0));
    cr_assert(cancel_keys_add(keys, &key, 42, 0xdeadbeef));
    cr_expect_eq(cancel_keys_find(keys, 42, 0xdeadbeef), &key);
    for (int bit = 0; bit < 32; bit++) {
        cr_expect_null(cancel_keys_find(keys, 42, 0xdeadbeef ^ (uint32_t)1 << bit));
        cr_expect_null(cancel_keys_find(keys, (uint32_t)42 ^ (uint32_t)1 << bit, 0xdeadbeef));
    }
    cr_expect_eq(cancel_keys_count(keys), 1);
    cancel_keys_remove(keys, &key);
    cr_expect_null(cancel_keys_find(keys, 42, 0xdeadbeef));
    cr_expect_eq(cancel_keys_count(keys), 0);
    cr_expect_eq(key.pid, 0);
    cancel_keys_remove(keys, &key);
    cr_expect_eq(cancel_keys_count(keys), 0);
}

Test(cancel_keys, refuses_what_is_taken_or_no_process_id)
{
    struct cancel_key first = {0}, second = {0};
    cr_assert(cancel_keys_add(keys, &first, 7, 1));
    cr_expect_not(cancel_keys_add(keys, &second, 7, 1));
    cr_expect_eq(second.pid, 0);
    cr_expect_eq(cancel_keys_find(keys, 7, 1), &first);
    cr_expect_not(cancel_keys_add(keys, &second, 0, 1));
    cr_expect_not(cancel_keys_add(keys, &second, (uint32_t)INT32_MAX + 1, 1));
    cr_assert(cancel_keys_add(keys, &second, 7, 2), "another secret for the same process id is another pair");
    cr_expect_eq(cancel_keys_find(keys, 7, 1), &first);
    cr_expect_eq(cancel_keys_find(keys, 7, 2), &second);
    cancel_keys_remove(keys, &first);
    cr_expect_eq(cancel_keys_find(keys, 7, 2), &second);
    cr_assert(cancel_keys_add(keys, &first, INT32_MAX, UINT32_MAX));
    cr_expect_eq(cancel_keys_find(keys, INT32_MAX, UINT32_MAX), &first);
}

Test(cancel_keys, grows)
{
    enum { COUNT = 20000 };
    static struct cancel_key many[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) cr_assert(cancel_keys_add(keys, &many[i], i * 64 + 1, i ^ 0x5bd1e995));
    cr_expect_eq(cancel_keys_count(keys), COUNT);
    for (uint32_t i = 0; i < COUNT; i += 2) cancel_keys_remove(keys, &many[i]);
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_eq(cancel_keys_find(keys, i * 64 + 1, i ^ 0x5bd1e995), i % 2 ? &many[i] : NULL, "key %u", i);
    cr_expect_eq(cancel_keys_count(keys), COUNT / 2);
}
