/*
 * proxy/config.h, proxy/classes.h and proxy/userlist.h: the input is read as a configuration file, whose classes a client with the input as its
 * names is sorted into, and as an auth_file.
 */
#include "proxy/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/classes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each name is found, and the files leave nothing that libpq would take for the end of its list. */
static void check_databases(const struct config *config)
{
    for (size_t i = 0; i < config->database_count; i++) {
        const struct config_database *database = &config->databases[i];
        assert(config_find_database(config, database->name) == database);
        assert(strlen(database->name) <= CONFIG_NAME_SIZE_MAX);
        for (size_t j = 0; database->libpq_options[j] != NULL; j += 2) assert(database->libpq_options[j + 1][0] != '\0');
        assert(config_pool_size(config, database, NULL) <= 100000);
    }
    for (size_t i = 0; i < config->user_count; i++) assert(config_find_user(config, config->users[i].name) == &config->users[i]);
}

static void check_rules(const struct config *config)
{
    int64_t reserves = 0;
    assert(config->class_count >= 1 && config->class_count <= CONFIG_CLASSES_MAX);
    for (size_t i = 0; i < config->class_count; i++) {
        const struct config_class *class = &config->classes[i];
        bool is_last = i == config->class_count - 1;
        reserves += class->reserve;
        assert((strcmp(class->name, CONFIG_CLASS_DEFAULT) == 0) == is_last && (class->match_count == 0) == is_last);
        assert(class->weight >= 1 && (class->limit == 0 || class->reserve <= class->limit));
        assert((class->share_by == CONFIG_FACT_TAG) == (class->share_tag != NULL) || class->share_by == CONFIG_FACT_NONE);
        for (size_t j = 0; j < class->match_count; j++) {
            assert(class->matches[j].condition_count > 0 && config_match_is_within(&class->matches[j], &class->matches[j]));
            assert(class->matches[j].tag_condition_count <= class->matches[j].condition_count);
        }
    }
    assert(reserves <= config->settings.budget);
}

/* With and without tags. */
static void check_sorting(const struct config *config, const struct class_facts *facts)
{
    char key[CLASSES_SHARE_KEY_SIZE];
    struct class_candidates candidates = classes_narrow(config, facts);
    unsigned class = classes_settle(config, &candidates, facts);
    assert(class < config->class_count);
    assert(class <= candidates.otherwise && (class == candidates.otherwise || (candidates.by_tag >> class & 1) != 0));
    assert(facts->tags || class == candidates.otherwise);
    size_t size = classes_share_key(&config->classes[class], facts, key);
    assert(size < sizeof key && strlen(key) == size);
}

static void check_classes(const struct config *config, const uint8_t *data, size_t size)
{
    char name[64] = "";
    struct sql_tags tags;
    struct class_facts facts = {
        .user = name, .database = "d", .application_name = name, .address = address_of_ipv4((uint8_t[]){10, 1, 2, 3})};
    memcpy(name, data, size < sizeof name ? size : sizeof name - 1);
    check_rules(config);
    check_sorting(config, &facts);
    sql_tags_parse(&tags, &config->tag_keys, (const char *)data, size, SQL_STRINGS_STANDARD);
    facts.tags = &tags;
    facts.address = address_of_unix();
    check_sorting(config, &facts);
}

static void check_config(const char *path, const uint8_t *data, size_t size)
{
    struct config_problems problems;
    struct config *config = config_load(path, &problems);
    unsigned line = 0;
    bool is_refused = false;
    for (size_t i = 0; i < problems.count; i++) {
        const struct config_problem *problem = &problems.items[i];
        assert(problem->text[0] != '\0');
        assert(problem->line == 0 || problem->line >= line);
        line = problem->line;
        is_refused |= !problem->is_warning;
    }
    assert((config == NULL) == is_refused);
    if (config != NULL) {
        check_databases(config);
        check_classes(config, data, size);
    }
    config_unref(&config);
    config_problems_fini(&problems);
}

static void on_problem(void *context, unsigned line, const char *text)
{
    unsigned *count = context;
    assert(line > 0 && text[0] != '\0');
    (*count)++;
}

static void check_userlist(const char *path)
{
    unsigned count = 0;
    struct userlist *list = userlist_read(path, on_problem, &count);
    assert((list == NULL) == (count > 0));
    userlist_free(&list);
}

static void check_password(const uint8_t *data, size_t size)
{
    char *password = malloc(size + 1);
    if (size > 0) memcpy(password, data, size);
    password[size] = '\0';
    char *prepared = userlist_prepare_password(password);
    assert(*password == '\0' || *prepared != '\0');
    userlist_wipe(&prepared);
    free(password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* An input must not make the reader open what it likes. */
    static const char forbidden[] = "auth_file";
    char path[64];
    if (size > 0 && memmem(data, size, forbidden, sizeof forbidden - 1) != NULL) return 0;
    int fd = memfd_create("config", MFD_CLOEXEC);
    assert(fd >= 0);
    ssize_t written = write(fd, data, size);
    assert(written >= 0 && (size_t)written == size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check_config(path, data, size);
    check_userlist(path);
    check_password(data, size);
    close(fd);
    return 0;
}
