/*
 * The main() of a fuzz target that is built without libFuzzer: runs the target over the files it is given, and over the
 * files of the directories it is given. A violated invariant ends the program by its assert. No files at all is a failure: a corpus
 * that went missing must not look like success.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

/* The target gets memory of exactly the size of the file, so that the sanitizers see a read behind it. */
static void replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    uint8_t *data = malloc(size == 0 ? 1 : size);
    if (data == NULL || fread(data, 1, size, file) != size) fail(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

/* How many files were replayed. */
static size_t replay(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) fail(path);
    if (!S_ISDIR(status.st_mode)) {
        replay_file(path, (size_t)status.st_size);
        return 1;
    }
    DIR *directory = opendir(path);
    if (directory == NULL) fail(path);
    size_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        size_t size = strlen(path) + strlen(entry->d_name) + 2;
        char *name = malloc(size);
        if (name == NULL) fail(path);
        snprintf(name, size, "%s/%s", path, entry->d_name);
        count += replay(name);
        free(name);
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) count += replay(argv[i]);
    if (count == 0) {
        fprintf(stderr, "usage: %s FILE-OR-DIRECTORY...; there was no file to replay\n", argv[0]);
        return 1;
    }
    printf("%s: %zu files replayed\n", argv[0], count);
    return 0;
}
