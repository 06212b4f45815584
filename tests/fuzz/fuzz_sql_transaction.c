/* protocol/sql_transaction.h: the input is SQL text. */
#include "protocol/sql_transaction.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read as BEGIN is written as one with the same modes; what the first look rules out is NONE. */
static void check(const char *text, size_t size, enum sql_strings strings)
{
    uint8_t modes, again;
    enum sql_transaction command = sql_transaction_of(text, size, strings, &modes);
    assert(command == SQL_TRANSACTION_NONE || sql_transaction_is_likely(text, size));
    if (command != SQL_TRANSACTION_BEGIN && command != SQL_TRANSACTION_START) return;
    char begin[SQL_TRANSACTION_BEGIN_MAX];
    size_t begin_size = sql_transaction_write_begin(modes, begin);
    assert(begin_size < sizeof begin);
    command = sql_transaction_of(begin, begin_size, strings, &again);
    assert(command == SQL_TRANSACTION_BEGIN && again == modes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *)data, size, SQL_STRINGS_STANDARD);
    check((const char *)data, size, SQL_STRINGS_BACKSLASH);
    return 0;
}
