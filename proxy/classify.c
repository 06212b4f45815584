/*
 * Clients to classes. Not for: the rules (classes.c), what a class may have (turnstile).
 *
 * Invariants: a client in a pool has a key, and its class is the one that the settings in client->classified, and the tags seen last, lead to. While
 * client->tagged has a comment noted, its tags lead to this class and key too.
 */
#include "proxy/classify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/frame.h"
#include "protocol/frontend.h"
#include "protocol/sql_tags_repeat.h"
#include "proxy/client_clocks.h"
#include "proxy/client_text.h"
#include "proxy/memory.h"

static struct address address_of(const struct client *client)
{
    if (client->family == AF_INET) return address_of_ipv4(client->address);
    return client->family == AF_INET6 ? address_of_ipv6(client->address) : address_of_unix();
}

static struct class_facts facts_of(const struct client *client, const struct sql_tags *tags)
{
    const struct settings *settings = &client->host->commons->config->settings;
    bool is_known = client->classified == client->settings;
    return (struct class_facts){.user = client->user,
                                .database = client->database,
                                .application_name =
                                    is_known ? client->classified_name : session_state_get(client->settings, "application_name"),
                                .address = address_of(client),
                                .port = client->family == AF_UNIX ? 0 : (uint16_t)settings->listen_port,
                                .tags = tags};
}

static bool is_key(const struct turnstile_key *key, const struct turnstile_class *class, const char *text, size_t size)
{
    return key && key->class == class && key->size == size && memcmp(key->text, text, size) == 0;
}

static void put_key(struct client *client)
{
    if (!client->key) return;
    client->key->class->clients--;
    turnstile_key_put(client->host->commons->turnstile, &client->key);
}

void classify_forget(struct client *client)
{
    put_key(client);
    free(client->tagged);
    client->tagged = NULL;
}

static void settle(struct client *client, const struct class_facts *facts)
{
    struct commons *commons = client->host->commons;
    if (client->tagged) client->tagged->is_noted = false;
    unsigned index = classes_settle(commons->config, &client->candidates, facts);
    char text[CLASSES_SHARE_KEY_SIZE];
    size_t size = classes_share_key(&commons->config->classes[index], facts, text);
    if (is_key(client->key, turnstile_class_at(commons->turnstile, index), text, size)) return;
    struct turnstile_key *key = turnstile_key_get(commons->turnstile, index, text, size);
    put_key(client);
    client->key = key;
    key->class->clients++;
    client->class_index = index;
    client_clocks_limit(client);
}

static void narrow(struct client *client, const struct class_facts *facts)
{
    client->candidates = classes_narrow(client->host->commons->config, facts);
    struct session_state *former = client->classified;
    client->classified = session_state_ref(client->settings);
    client->classified_name = facts->application_name;
    session_state_unref(&former);
}

void classify_client(struct client *client)
{
    struct class_facts facts = facts_of(client, NULL);
    narrow(client, &facts);
    settle(client, &facts);
    client_clocks_limit(client); /* the same class may be configured otherwise */
}

/* The SQL that a message's tags would be in, without a NUL; NULL: it has none. What is malformed the server is going to refuse. */
static const char *text_of(const struct client *client, const uint8_t *message, size_t available, size_t *size_out)
{
    struct frame frame;
    if (frame_parse_header(message, available, &frame) != CODEC_OK) return NULL;
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
    size_t here = (available < total ? available : total) - FRAME_HEADER_SIZE;
    const char *portal, *name, *text = NULL;
    struct frontend_parse_message parse;
    if (frame.type == FRONTEND_QUERY && here == frame.body_size && here > 0) {
        *size_out = here - 1;
        return body[here - 1] == '\0' ? (const char *)body : NULL;
    }
    if (frame.type == FRONTEND_PARSE && here == frame.body_size) {
        if (frontend_parse_parse(body, here, &parse) != CODEC_OK) return NULL;
        text = parse.text;
    } else if (frame.type == FRONTEND_BIND && frontend_parse_bind_names(body, here, &portal, &name) == CODEC_OK) {
        const struct statement *statement = *name ? statement_names_find(&client->statements, name) : client->unnamed;
        if (statement) text = (const char *)statement->tail;
    }
    if (text) *size_out = strlen(text);
    return text;
}

/* The comments of a lease's first statement, and what classes ask of them. */
struct reading {
    const char *text;
    struct sql_comments comments;
    struct sql_tags tags;
};

static bool find_comments(const struct client *client, const uint8_t *message, size_t available, struct reading *reading_out)
{
    size_t size;
    const char *text = text_of(client, message, available, &size);
    if (!text || !sql_comments_may_be_in(text, size) || !client_text_is_scannable(client)) return false;
    reading_out->text = text;
    sql_comments_find(&reading_out->comments, text, size, client_text_strings(client));
    return reading_out->comments.has_first || reading_out->comments.has_last;
}

/* The tags that classes ask for are those that the client's class and key follow from. */
static bool is_repeated(const struct client *client, struct reading *reading)
{
    const struct sql_tag_keys *keys = &client->host->commons->config->tag_keys;
    return client->tagged && sql_tags_repeat_holds(client->tagged, &reading->tags, keys, reading->text, &reading->comments) &&
           reading->tags.found == 0;
}

static bool read_tags(const struct client *client, struct reading *reading)
{
    sql_tags_read(&reading->tags, &client->host->commons->config->tag_keys, reading->text, &reading->comments);
    return reading->tags.found != 0;
}

static void note(struct client *client, const struct reading *reading)
{
    if (!client->tagged) client->tagged = memory_alloc(sizeof *client->tagged);
    sql_tags_repeat_note(client->tagged, &reading->tags, reading->text, &reading->comments);
}

static const struct config_class *class_of(const struct client *client)
{
    return &client->host->commons->config->classes[client->class_index];
}

/* The client's class and key are those that it has whenever there are no tags. */
static bool is_settled_without_tags(const struct client *client)
{
    return client->class_index == client->candidates.otherwise && class_of(client)->share_by != CONFIG_FACT_TAG;
}

void classify_lease(struct client *client, const uint8_t *message, size_t available)
{
    const struct config *config = client->host->commons->config;
    bool has_changed = client->classified != client->settings;
    if (!has_changed && !classes_need_tags(config, &client->candidates)) return;
    if (has_changed) {
        struct class_facts facts = facts_of(client, NULL);
        narrow(client, &facts);
    }
    struct reading reading;
    bool has_comments = classes_need_tags(config, &client->candidates) && find_comments(client, message, available, &reading);
    if (has_comments && !has_changed && is_repeated(client, &reading)) return;
    bool has_tags = has_comments && read_tags(client, &reading);
    if (has_changed || has_tags || !is_settled_without_tags(client)) {
        struct class_facts facts = facts_of(client, has_tags ? &reading.tags : NULL);
        settle(client, &facts);
    }
    if (has_comments) note(client, &reading);
}

void classify_configure(struct commons *commons)
{
    const struct config *config = commons->config;
    struct turnstile_class_rules *rules = memory_zalloc(config->class_count * sizeof *rules);
    for (size_t i = 0; i < config->class_count; i++) {
        const struct config_class *class = &config->classes[i];
        rules[i] = (struct turnstile_class_rules){.name = class->name,
                                                  .reserve = (uint32_t) class->reserve,
                                                  .limit = (uint32_t) class->limit,
                                                  .weight = (uint32_t) class->weight,
                                                  .lend_max_us = class->lend_max_us,
                                                  .queue_limit = (uint32_t) class->queue_limit,
                                                  .share_limit = (uint32_t) class->share_limit};
    }
    turnstile_set_classes(commons->turnstile, rules, (uint32_t)config->class_count, commons->now_us);
    free(rules);
}
