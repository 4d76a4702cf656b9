/* replay_main LOG: runs an input log through this build of the library and writes to stdout the actions a run's digest is made
 * of: as many as were logged, with running numbers. Exit code 1 and a line on stderr when the log cannot be replayed or an action
 * differs from the logged one. */
#include <mmcore.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what)
{
    fprintf(stderr, "replay_main: %s\n", what);
    return 1;
}

/* The whole file; NULL when it cannot be read. */
static uint8_t *read_file(const char *path, size_t *byte_count)
{
    uint8_t *bytes = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        bytes = size > 0 ? malloc((size_t)size) : NULL;
        if (bytes != NULL) {
            *byte_count = fread(bytes, 1, (size_t)size, file);
        }
    }
    fclose(file);
    return bytes;
}

static size_t logged_actions(const mm_record *records, size_t record_count)
{
    size_t count = 0;
    for (size_t i = 0; i < record_count; i++) {
        count += records[i].kind >= MM_KIND_PLACE;
    }
    return count;
}

static int write_actions(mm_record *actions, size_t action_count)
{
    for (size_t i = 0; i < action_count; i++) {
        actions[i].seq = i;
    }
    return fwrite(actions, sizeof *actions, action_count, stdout) == action_count && fflush(stdout) == 0;
}

static int run(const mm_log_header *header, const mm_record *records, size_t record_count)
{
    const char *bad_field = NULL;
    size_t logged = logged_actions(records, record_count);
    size_t capacity = logged + 1024, made = 0, consumed = 0, mismatch = 0;
    mm_record *actions = malloc(capacity * sizeof *actions);
    mm_engine *engine = mm_engine_new(&header->config, &bad_field);
    if (actions == NULL || engine == NULL) {
        return fail(bad_field != NULL ? bad_field : "no memory");
    }
    if (mm_log_replay(engine, records, record_count, actions, capacity, &made, &consumed, &mismatch) != MM_OK) {
        return fail("the log is damaged");
    }
    if (mismatch != SIZE_MAX) {
        return fail("an action differs from the logged one");
    }
    if (!write_actions(actions, made < logged ? made : logged)) {
        return fail("stdout");
    }
    mm_engine_free(engine);
    free(actions);
    return 0;
}

int main(int argc, char **argv)
{
    static mm_log_header header;
    size_t byte_count = 0;
    if (argc != 2) {
        return fail("give the path of one log");
    }
    uint8_t *bytes = read_file(argv[1], &byte_count);
    if (bytes == NULL) {
        return fail("the log cannot be read");
    }
    if (mm_log_header_read(bytes, byte_count, &header) != MM_OK) {
        return fail("not a log of this build's layout");
    }
    size_t record_count = (byte_count - MM_LOG_HEADER_BYTES) / sizeof(mm_record);
    int code = run(&header, (const mm_record *)(const void *)(bytes + MM_LOG_HEADER_BYTES), record_count);
    free(bytes);
    return code;
}
