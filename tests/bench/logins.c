/*
 * A client that does nothing but log in with SCRAM-SHA-256, for the benchmark: as fast as it can for some seconds, or many times once and
 * then idle. It is not a test of the server's answers, but a login that fails ends it.
 *
 * Usage: logins PORT USER PASSWORD DATABASE loop THREADS SECONDS    prints "N logins"
 *        logins PORT USER PASSWORD DATABASE hold THREADS CLIENTS    prints "ready", holds the connections until standard input ends
 *        logins PORT USER PASSWORD DATABASE held-query THREADS CLIENTS    the same after one query on each connection
 *
 * The salted password depends on the salt and the rounds only, so each thread keeps the last one: the client's own CPU would otherwise
 * hide the proxy's wherever the salt stays the same.
 *
 * Rules: RFC 5802 and 7677; PostgreSQL's "SASL Authentication" and "Message Formats".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { KEY_BYTES = SHA256_DIGEST_LENGTH, MESSAGE_BYTES = 8192, NONCE_BYTES = 18, SALT_BYTES = 64, MAX_THREADS = 256 };

struct settings {
    uint16_t port;
    const char *user;
    const char *password;
    const char *database;
};

/* One thread's share of the work, and the salted password it derived last. */
struct worker {
    pthread_t thread;
    const struct settings *settings;
    double seconds;
    int hold_count;
    const char *query;
    long login_count;
    unsigned char salt[SALT_BYTES];
    int salt_size;
    int rounds;
    unsigned char salted_password[KEY_BYTES];
};

struct message {
    char type;
    size_t size;
    char body[MESSAGE_BYTES + 1];
};

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("logins: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) fail("the connection was closed while sending");
        data += sent;
        size -= (size_t)sent;
    }
}

static void send_message(int fd, char type, const void *body, size_t size)
{
    char data[MESSAGE_BYTES];
    uint32_t length = htonl((uint32_t)(size + 4));
    if (size + 5 > sizeof data) fail("message too long");
    data[0] = type;
    memcpy(data + 1, &length, sizeof length);
    memcpy(data + 5, body, size);
    send_all(fd, data, size + 5);
}

static void send_startup(int fd, const struct settings *settings)
{
    char data[1024] = {0};
    size_t at = 8;
    const char *words[] = {"user", settings->user, "database", settings->database, "application_name", "logins"};
    uint32_t version = htonl(196608);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]) + 1;
        if (size + 1 > sizeof data - at) fail("names too long");
        memcpy(data + at, words[i], size);
        at += size;
    }
    at++;
    uint32_t length = htonl((uint32_t)at);
    memcpy(data, &length, sizeof length);
    memcpy(data + 4, &version, sizeof version);
    send_all(fd, data, at);
}

static void receive_exactly(int fd, void *into, size_t size)
{
    ssize_t got = recv(fd, into, size, MSG_WAITALL);
    if (got != (ssize_t)size) fail("the connection was closed while receiving");
}

static void receive_message(int fd, struct message *message)
{
    char head[5];
    uint32_t length;
    receive_exactly(fd, head, sizeof head);
    memcpy(&length, head + 1, sizeof length);
    message->type = head[0];
    message->size = ntohl(length) - 4;
    if (message->size > MESSAGE_BYTES) fail("message '%c' of %zu bytes", message->type, message->size);
    if (message->size > 0) receive_exactly(fd, message->body, message->size);
    message->body[message->size] = '\0';
    if (message->type == 'E') {
        for (size_t at = 0; at < message->size; at++) {
            if (message->body[at] == '\0') message->body[at] = ' ';
        }
        fail("error: %s", message->body);
    }
}

static uint32_t receive_authentication(int fd, struct message *message)
{
    uint32_t code;
    receive_message(fd, message);
    if (message->type != 'R' || message->size < 4) fail("message '%c' during authentication", message->type);
    memcpy(&code, message->body, sizeof code);
    return ntohl(code);
}

static void hmac(const unsigned char *key, const char *text, size_t size, unsigned char *digest_out)
{
    HMAC(EVP_sha256(), key, KEY_BYTES, (const unsigned char *)text, size, digest_out, NULL);
}

static void salt_password(struct worker *worker, const unsigned char *salt, int salt_size, int rounds)
{
    const char *password = worker->settings->password;
    if (worker->rounds == rounds && worker->salt_size == salt_size && memcmp(worker->salt, salt, (size_t)salt_size) == 0) return;
    if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, salt_size, rounds, EVP_sha256(), KEY_BYTES, worker->salted_password) != 1)
        fail("PBKDF2");
    memcpy(worker->salt, salt, (size_t)salt_size);
    worker->salt_size = salt_size;
    worker->rounds = rounds;
}

static void make_nonce(char *nonce_out)
{
    unsigned char bytes[NONCE_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) fail("RAND_bytes");
    EVP_EncodeBlock((unsigned char *)nonce_out, bytes, sizeof bytes);
}

/* Parses "r=NONCE,s=SALT,i=ROUNDS" and makes the password fit it. */
static void read_server_first(struct worker *worker, const char *text, char *nonce_out, size_t nonce_size)
{
    unsigned char salt[SALT_BYTES];
    const char *salt_text = strstr(text, ",s=");
    const char *rounds_text = salt_text != NULL ? strstr(salt_text + 3, ",i=") : NULL;
    if (strncmp(text, "r=", 2) != 0 || rounds_text == NULL) fail("server-first-message %s", text);
    size_t encoded_size = (size_t)(rounds_text - salt_text - 3);
    size_t nonce_length = (size_t)(salt_text - text - 2);
    if (encoded_size % 4 != 0 || encoded_size / 4 * 3 > sizeof salt || nonce_length >= nonce_size) fail("server-first-message %s", text);
    memcpy(nonce_out, text + 2, nonce_length);
    nonce_out[nonce_length] = '\0';
    int salt_size = EVP_DecodeBlock(salt, (const unsigned char *)salt_text + 3, (int)encoded_size);
    if (rounds_text[-1] == '=') salt_size--;
    if (rounds_text[-2] == '=') salt_size--;
    salt_password(worker, salt, salt_size, atoi(rounds_text + 3));
}

static void authenticate(struct worker *worker, int fd)
{
    struct message message;
    char nonce[NONCE_BYTES * 2], server_nonce[256], bare[64], data[MESSAGE_BYTES], proof_text[64], signature_text[64];
    unsigned char client_key[KEY_BYTES], stored_key[KEY_BYTES], signature[KEY_BYTES], server_key[KEY_BYTES], proof[KEY_BYTES];
    static const char mechanism[] = "SCRAM-SHA-256";

    uint32_t code = receive_authentication(fd, &message);
    if (code == 0) return;
    if (code != 10) fail("authentication request %u instead of SASL", code);

    make_nonce(nonce);
    int bare_size = snprintf(bare, sizeof bare, "n=,r=%s", nonce);
    uint32_t size = htonl((uint32_t)bare_size + 3);
    memcpy(data, mechanism, sizeof mechanism);
    memcpy(data + sizeof mechanism, &size, sizeof size);
    memcpy(data + sizeof mechanism + 4, "n,,", 3);
    memcpy(data + sizeof mechanism + 7, bare, (size_t)bare_size);
    send_message(fd, 'p', data, sizeof mechanism + 7 + (size_t)bare_size);

    if (receive_authentication(fd, &message) != 11) fail("no SASLContinue");
    const char *server_first = message.body + 4;
    read_server_first(worker, server_first, server_nonce, sizeof server_nonce);

    int signed_size = snprintf(data, sizeof data, "%s,%s,c=biws,r=%s", bare, server_first, server_nonce);
    hmac(worker->salted_password, "Client Key", strlen("Client Key"), client_key);
    SHA256(client_key, KEY_BYTES, stored_key);
    hmac(stored_key, data, (size_t)signed_size, signature);
    for (int i = 0; i < KEY_BYTES; i++) proof[i] = client_key[i] ^ signature[i];
    hmac(worker->salted_password, "Server Key", strlen("Server Key"), server_key);
    hmac(server_key, data, (size_t)signed_size, signature);
    EVP_EncodeBlock((unsigned char *)signature_text, signature, KEY_BYTES);
    EVP_EncodeBlock((unsigned char *)proof_text, proof, KEY_BYTES);
    int final_size = snprintf(data, sizeof data, "c=biws,r=%s,p=%s", server_nonce, proof_text);
    send_message(fd, 'p', data, (size_t)final_size);

    if (receive_authentication(fd, &message) != 12) fail("no SASLFinal");
    if (strncmp(message.body + 4, "v=", 2) != 0 || strcmp(message.body + 6, signature_text) != 0) fail("the server's signature is wrong");
    if (receive_authentication(fd, &message) != 0) fail("no AuthenticationOk");
}

static void wait_until_ready(int fd)
{
    struct message message;
    do {
        receive_message(fd, &message);
    } while (message.type != 'Z');
}

static int log_in(struct worker *worker)
{
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(worker->settings->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("no socket: raise the limit of open files");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connection refused on port %d", worker->settings->port);
    send_startup(fd, worker->settings);
    authenticate(worker, fd);
    wait_until_ready(fd);
    worker->login_count++;
    return fd;
}

static void *loop(void *argument)
{
    struct worker *worker = argument;
    double end = now_seconds() + worker->seconds;
    while (now_seconds() < end) {
        int fd = log_in(worker);
        send_message(fd, 'X', "", 0);
        close(fd);
    }
    return NULL;
}

static void *hold(void *argument)
{
    struct worker *worker = argument;
    for (int i = 0; i < worker->hold_count; i++) {
        int fd = log_in(worker);
        if (worker->query != NULL) {
            send_message(fd, 'Q', worker->query, strlen(worker->query) + 1);
            wait_until_ready(fd);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[MAX_THREADS];
    if (argc != 8) {
        fprintf(stderr, "usage: logins PORT USER PASSWORD DATABASE loop|hold|held-query THREADS SECONDS|CLIENTS\n");
        return 2;
    }
    struct settings settings = {.port = (uint16_t)atoi(argv[1]), .user = argv[2], .password = argv[3], .database = argv[4]};
    int is_loop = strcmp(argv[5], "loop") == 0;
    int thread_count = atoi(argv[6]);
    if (thread_count < 1 || thread_count > MAX_THREADS) fail("1 to %d threads", MAX_THREADS);
    for (int i = 0; i < thread_count; i++) {
        struct worker *worker = &workers[i];
        worker->settings = &settings;
        worker->query = strcmp(argv[5], "held-query") == 0 ? "select 1" : NULL;
        worker->seconds = atof(argv[7]);
        worker->hold_count = atoi(argv[7]) / thread_count;
        if (pthread_create(&worker->thread, NULL, is_loop ? loop : hold, worker) != 0) fail("pthread_create");
    }
    long login_count = 0;
    for (int i = 0; i < thread_count; i++) {
        pthread_join(workers[i].thread, NULL);
        login_count += workers[i].login_count;
    }
    if (is_loop) {
        printf("%ld logins\n", login_count);
        return 0;
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
