#include "mmcore.h"

#include "mm_test.h"

enum { BUFFER = 4096, STREAM_MAX = 1 << 16, PAYLOADS_MAX = 1 << 16, MESSAGES_MAX = 256 };

/* ---- What a server sends -------------------------------------------------------------------- */

typedef struct {
    uint8_t bytes[STREAM_MAX];
    size_t count;
} stream;

static void put_bytes(stream *out, const void *bytes, size_t count)
{
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

/* A frame with its length in `length_bytes` (0, 2 or 8) extra bytes. */
static void put_frame_sized(stream *out, uint8_t first, size_t length_bytes, const void *payload,
                            size_t count)
{
    uint8_t head[10] = {first, (uint8_t)(length_bytes == 0   ? count
                                         : length_bytes == 2 ? 126
                                                             : 127)};
    for (size_t i = 0; i < length_bytes; i++) {
        head[2 + i] = (uint8_t)((uint64_t)count >> (8 * (length_bytes - 1 - i)));
    }
    put_bytes(out, head, 2 + length_bytes);
    put_bytes(out, payload, count);
}

static void put_frame(stream *out, bool final, int32_t opcode, const void *payload, size_t count)
{
    size_t length_bytes = count < 126 ? 0 : count < 65536 ? 2 : 8;
    put_frame_sized(out, (uint8_t)((final ? 0x80 : 0) | opcode), length_bytes, payload, count);
}

static void put_text(stream *out, const char *text)
{
    put_frame(out, true, MM_WS_TEXT, text, strlen(text));
}

/* ---- What the parser made of it ------------------------------------------------------------- */

typedef struct {
    struct {
        int32_t opcode;
        int32_t close_code;
        size_t at;
        size_t bytes;
    } messages[MESSAGES_MAX];
    uint8_t payloads[PAYLOADS_MAX];
    size_t count;
    size_t payload_count;
    mm_status status; /* of the last call */
} received;

static void take_all(mm_ws *ws, received *into)
{
    mm_ws_message message;
    while ((into->status = mm_ws_next(ws, &message)) == MM_OK) {
        if (into->count == MESSAGES_MAX ||
            message.payload_bytes > PAYLOADS_MAX - into->payload_count) {
            MM_CHECK(false); /* no room in the test's own store */
            return;
        }
        into->messages[into->count].opcode = message.opcode;
        into->messages[into->count].close_code = message.close_code;
        into->messages[into->count].at = into->payload_count;
        into->messages[into->count].bytes = message.payload_bytes;
        if (message.payload_bytes > 0) {
            memcpy(into->payloads + into->payload_count, message.payload, message.payload_bytes);
        }
        into->payload_count += message.payload_bytes;
        into->count++;
    }
}

/* Gives the bytes to the parser, at most `piece` at a time, taking messages after each piece. */
static void give(mm_ws *ws, const uint8_t *bytes, size_t count, size_t piece, received *into)
{
    size_t at = 0;
    into->status = MM_E_STATE;
    while (at < count && into->status == MM_E_STATE) {
        size_t space_bytes = 0;
        uint8_t *space = mm_ws_space(ws, &space_bytes);
        size_t part = count - at < piece ? count - at : piece;
        part = part < space_bytes ? part : space_bytes;
        MM_REQUIRE(part > 0);
        memcpy(space, bytes + at, part);
        mm_ws_filled(ws, part);
        at += part;
        take_all(ws, into);
    }
}

static void check_same(const received *left, const received *right)
{
    MM_CHECK_UINT(left->count, ==, right->count);
    MM_CHECK_INT(left->status, ==, right->status);
    MM_CHECK_BYTES(left->messages, right->messages, left->count * sizeof left->messages[0]);
    MM_CHECK_UINT(left->payload_count, ==, right->payload_count);
    MM_CHECK_BYTES(left->payloads, right->payloads, left->payload_count);
}

/* One message and its meaning, or the fault that stands in its place. */
static void check_message(const received *got, size_t index, int32_t opcode, const void *payload,
                          size_t bytes)
{
    MM_REQUIRE(index < got->count);
    MM_CHECK_INT(got->messages[index].opcode, ==, opcode);
    MM_REQUIRE(got->messages[index].bytes == bytes);
    MM_CHECK_BYTES(got->payloads + got->messages[index].at, payload, bytes);
}

static received got; /* too large for a stack */
static received other;
static stream sent;

static void clear(void)
{
    memset(&got, 0, sizeof got);
    memset(&other, 0, sizeof other);
    sent.count = 0;
}

/* A fresh parser is given `sent` and must fail so, after `before` messages. */
static void check_refused(mm_status status, int32_t close_code, size_t before)
{
    mm_ws *ws = mm_ws_new(BUFFER);
    MM_REQUIRE(ws != NULL);
    memset(&got, 0, sizeof got);
    give(ws, sent.bytes, sent.count, 7, &got);
    MM_CHECK_INT(got.status, ==, status);
    MM_CHECK_INT(mm_ws_close_code(ws), ==, close_code);
    MM_CHECK_UINT(got.count, ==, before);
    /* The error stands until the reset, whatever else arrives. */
    mm_ws_message message;
    MM_CHECK_INT(mm_ws_next(ws, &message), ==, status);
    mm_ws_reset(ws);
    MM_CHECK_INT(mm_ws_close_code(ws), ==, 0);
    sent.count = 0;
    put_text(&sent, "{}");
    memset(&got, 0, sizeof got);
    give(ws, sent.bytes, sent.count, BUFFER, &got);
    check_message(&got, 0, MM_WS_TEXT, "{}", 2);
    mm_ws_free(ws);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void memory_of_the_wrong_size_is_refused(void)
{
    static uint8_t memory[1 << 14] __attribute__((aligned(64)));
    mm_ws *ws = NULL;
    size_t needed = mm_ws_bytes(BUFFER);
    MM_CHECK_UINT(mm_ws_bytes(1023), ==, 0);
    MM_CHECK_UINT(mm_ws_bytes(((size_t)1 << 28) + 1), ==, 0);
    MM_CHECK_UINT(needed, >=, BUFFER);
    MM_CHECK_INT(mm_ws_init(memory, needed - 1, BUFFER, &ws), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_ws_init(memory + 8, sizeof memory - 8, BUFFER, &ws), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_ws_init(NULL, needed, BUFFER, &ws), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_ws_init(memory, sizeof memory, 1023, &ws), ==, MM_E_ARGUMENT);
    MM_CHECK(mm_ws_new(10) == NULL);
    MM_CHECK_INT(mm_ws_init(memory, needed, BUFFER, &ws), ==, MM_OK);
    MM_REQUIRE(ws != NULL);
    size_t space_bytes = 0;
    uint8_t *space = mm_ws_space(ws, &space_bytes);
    MM_CHECK_UINT(space_bytes, ==, BUFFER);
    MM_CHECK(space >= memory && space + space_bytes <= memory + needed);
}

/* Messages of each kind, fragments with control frames between them, every length form. */
static void put_sample(stream *out)
{
    static const char ping[] = "1770123456789";
    char text[600];
    memset(text, 'x', sizeof text);
    put_text(out, "{\"result\":null,\"id\":1}");
    put_frame(out, true, MM_WS_PING, ping, sizeof ping - 1);
    put_frame(out, false, MM_WS_TEXT, "{\"a\":\"\xE8\xBF", 8); /* cut within a character */
    put_frame(out, true, MM_WS_PONG, "", 0);
    put_frame(out, false, 0, "\x99\xF0\x9F", 3);
    put_frame(out, false, 0, "", 0);
    put_frame(out, true, MM_WS_PING, ping, 3);
    put_frame(out, true, 0, "\x98\x80\"}", 4);
    put_frame(out, true, MM_WS_TEXT, text, 125);
    put_frame(out, true, MM_WS_TEXT, text, 126);
    put_frame(out, true, MM_WS_BINARY, "\xFF\x00\xFE", 3);
    put_frame(out, true, MM_WS_TEXT, text, sizeof text);
    put_frame(out, true, MM_WS_TEXT, "", 0);
    put_frame(out, true, MM_WS_CLOSE, "\x03\xE9going away", 12);
}

static void check_sample(const received *sample)
{
    MM_REQUIRE(sample->count == 11);
    check_message(sample, 0, MM_WS_TEXT, "{\"result\":null,\"id\":1}", 22);
    check_message(sample, 1, MM_WS_PING, "1770123456789", 13);
    check_message(sample, 2, MM_WS_PONG, "", 0);
    check_message(sample, 3, MM_WS_PING, "177", 3);
    check_message(sample, 4, MM_WS_TEXT, "{\"a\":\"\xE8\xBF\x99\xF0\x9F\x98\x80\"}", 15);
    check_message(sample, 7, MM_WS_BINARY, "\xFF\x00\xFE", 3);
    MM_CHECK_UINT(sample->messages[8].bytes, ==, 600);
    check_message(sample, 9, MM_WS_TEXT, "", 0);
    check_message(sample, 10, MM_WS_CLOSE, "going away", 10);
    MM_CHECK_INT(sample->messages[10].close_code, ==, 1001);
}

static void messages_are_the_same_however_the_bytes_are_split(void)
{
    clear();
    mm_ws *ws = mm_ws_new(1024);
    MM_REQUIRE(ws != NULL);
    put_sample(&sent);
    give(ws, sent.bytes, sent.count, BUFFER, &got);
    check_sample(&got);
    for (size_t split = 0; split <= sent.count; split++) {
        mm_ws_reset(ws);
        memset(&other, 0, sizeof other);
        give(ws, sent.bytes, split, BUFFER, &other);
        give(ws, sent.bytes + split, sent.count - split, BUFFER, &other);
        other.status = got.status;
        check_same(&got, &other);
    }
    for (size_t piece = 1; piece <= 40; piece++) {
        mm_ws_reset(ws);
        memset(&other, 0, sizeof other);
        give(ws, sent.bytes, sent.count, piece, &other);
        check_same(&got, &other);
    }
    mm_ws_free(ws);
}

/* Random messages in random fragments with control frames between, in random pieces, through a
 * buffer that has to be packed again and again. */
static void random_streams_come_out_as_they_went_in(void)
{
    mm_ws *ws = mm_ws_new(1024);
    MM_REQUIRE(ws != NULL);
    uint8_t payload[896];
    for (int round = 0; round < 300; round++) {
        clear();
        mm_ws_reset(ws);
        while (sent.count < 8000 && other.count < MESSAGES_MAX - 64) {
            size_t bytes = mm_test_below(sizeof payload);
            for (size_t i = 0; i < bytes; i++) {
                payload[i] = (uint8_t)(mm_test_random() & 0x7F);
            }
            int32_t opcode = mm_test_below(2) == 0 ? MM_WS_TEXT : MM_WS_BINARY;
            size_t parts = 1 + mm_test_below(6);
            size_t from = 0;
            for (size_t part = 1; part <= parts; part++) {
                size_t to = part == parts ? bytes : from + mm_test_below(bytes - from + 1);
                put_frame(&sent, part == parts, part == 1 ? opcode : 0, payload + from, to - from);
                from = to;
                if (part < parts && mm_test_below(3) == 0) {
                    put_frame(&sent, true, MM_WS_PING, payload, bytes % 126);
                    other.messages[other.count].opcode = MM_WS_PING;
                    other.messages[other.count].at = other.payload_count;
                    other.messages[other.count].bytes = bytes % 126;
                    memcpy(other.payloads + other.payload_count, payload, bytes % 126);
                    other.payload_count += bytes % 126;
                    other.count++;
                }
            }
            other.messages[other.count].opcode = opcode;
            other.messages[other.count].at = other.payload_count;
            other.messages[other.count].bytes = bytes;
            memcpy(other.payloads + other.payload_count, payload, bytes);
            other.payload_count += bytes;
            other.count++;
        }
        size_t at = 0;
        while (at < sent.count) {
            size_t part = 1 + mm_test_below(mm_test_below(2) == 0 ? 8 : 1024);
            part = part < sent.count - at ? part : sent.count - at;
            give(ws, sent.bytes + at, part, part, &got);
            at += part;
        }
        other.status = MM_E_STATE;
        check_same(&got, &other);
    }
    mm_ws_free(ws);
}

static void frames_the_protocol_forbids_are_refused_with_1002(void)
{
    static const uint8_t heads[][2] = {
        {0x81, 0x80},                                           /* masked by the server */
        {0xC1, 0x00}, {0xA1, 0x00}, {0x91, 0x00},               /* reserved bits */
        {0x83, 0x00}, {0x87, 0x00}, {0x8B, 0x00}, {0x8F, 0x00}, /* reserved opcodes */
        {0x80, 0x00}, {0x00, 0x00},                             /* a continuation of nothing */
        {0x09, 0x00}, {0x08, 0x00}, {0x0A, 0x00},               /* control frame in fragments */
        {0x89, 0x7E}, {0x88, 0x7F},                             /* control frame over 125 bytes */
    };
    for (size_t i = 0; i < MM_TEST_COUNT(heads); i++) {
        clear();
        put_text(&sent, "before");
        put_bytes(&sent, heads[i], 2);
        check_refused(MM_E_SYNTAX, 1002, 1);
    }
}

static void fragments_out_of_order_are_refused(void)
{
    clear();
    put_frame(&sent, false, MM_WS_TEXT, "a", 1);
    put_frame(&sent, true, MM_WS_TEXT, "b", 1);
    check_refused(MM_E_SYNTAX, 1002, 0);
    clear();
    put_frame(&sent, false, MM_WS_TEXT, "a", 1);
    put_frame(&sent, true, 0, "b", 1);
    put_frame(&sent, true, 0, "c", 1);
    check_refused(MM_E_SYNTAX, 1002, 1);
}

static void lengths_not_in_their_shortest_form_are_refused(void)
{
    uint8_t payload[200] = {0};
    clear();
    put_frame_sized(&sent, 0x82, 2, payload, 125);
    check_refused(MM_E_SYNTAX, 1002, 0);
    clear();
    put_frame_sized(&sent, 0x82, 8, payload, 200);
    check_refused(MM_E_SYNTAX, 1002, 0);
    clear();
    put_bytes(&sent, "\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00", 10); /* 2^63 */
    check_refused(MM_E_SYNTAX, 1002, 0);
}

static void a_message_over_the_limit_is_refused_before_it_is_read(void)
{
    clear();
    put_bytes(&sent, "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10); /* 2^63 - 1 */
    check_refused(MM_E_CAPACITY, 1009, 0);
    clear();
    put_bytes(&sent, "\x81\x7E\x0F\xFF",
              4); /* fits no buffer of 4,096 with a control frame beside it */
    check_refused(MM_E_CAPACITY, 1009, 0);

    mm_ws *ws = mm_ws_new(2 * MM_WS_MESSAGE_MAX);
    MM_REQUIRE(ws != NULL);
    for (int over = 0; over < 2; over++) {
        mm_ws_reset(ws);
        memset(&got, 0, sizeof got);
        uint8_t head[10] = {0x81, 0x7F, 0, 0, 0, 0, 0, 0x10, 0, (uint8_t)over};
        give(ws, head, sizeof head, sizeof head, &got);
        MM_CHECK_INT(got.status, ==, over ? MM_E_CAPACITY : MM_E_STATE);
        MM_CHECK_INT(mm_ws_close_code(ws), ==, over ? 1009 : 0);
    }
    mm_ws_free(ws);
}

static void a_message_of_exactly_the_limit_arrives_whole_and_in_fragments(void)
{
    size_t limit = BUFFER - 127;
    uint8_t *payload = malloc(limit);
    mm_ws *ws = mm_ws_new(BUFFER);
    MM_REQUIRE(ws != NULL && payload != NULL);
    memset(payload, 'y', limit);
    for (size_t fragment = 1; fragment <= limit; fragment += 97) {
        clear();
        mm_ws_reset(ws);
        for (size_t at = 0; at < limit; at += fragment) {
            size_t part = limit - at < fragment ? limit - at : fragment;
            put_frame(&sent, at + part == limit, at == 0 ? MM_WS_TEXT : 0, payload + at, part);
            if (at + part < limit && mm_test_below(100) == 0) {
                put_frame(&sent, true, MM_WS_PING, payload, 125);
            }
            if (sent.count > STREAM_MAX - 256 - fragment) {
                break;
            }
            if (at + part == limit) {
                give(ws, sent.bytes, sent.count, 61, &got);
                MM_REQUIRE(got.count > 0);
                check_message(&got, got.count - 1, MM_WS_TEXT, payload, limit);
            }
        }
    }
    clear();
    put_frame(&sent, false, MM_WS_TEXT, payload, limit);
    put_frame(&sent, true, 0, payload, 1);
    check_refused(MM_E_CAPACITY, 1009, 0);
    mm_ws_free(ws);
    free(payload);
}

static void a_million_empty_fragments_take_no_room(void)
{
    mm_ws *ws = mm_ws_new(1024);
    MM_REQUIRE(ws != NULL);
    clear();
    put_frame(&sent, false, MM_WS_TEXT, "begin", 5);
    give(ws, sent.bytes, sent.count, 1024, &got);
    sent.count = 0;
    for (int i = 0; i < 500; i++) {
        put_frame(&sent, false, 0, "", 0);
    }
    for (int i = 0; i < 2000; i++) {
        give(ws, sent.bytes, sent.count, 1024, &got);
        MM_CHECK_INT(got.status, ==, MM_E_STATE);
    }
    sent.count = 0;
    put_frame(&sent, true, 0, "end", 3);
    give(ws, sent.bytes, sent.count, 1024, &got);
    check_message(&got, 0, MM_WS_TEXT, "beginend", 8);
    mm_ws_free(ws);
}

static void close_frames_are_checked(void)
{
    static const struct {
        int32_t code; /* -1 = one byte of payload, -2 = none */
        bool allowed;
    } cases[] = {{-2, true},    {-1, false},   {999, false},  {1000, true}, {1003, true},
                 {1004, false}, {1005, false}, {1006, false}, {1007, true}, {1014, true},
                 {1015, false}, {1016, false}, {2999, false}, {3000, true}, {4999, true},
                 {5000, false}, {65535, false}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        clear();
        uint8_t payload[2] = {(uint8_t)(cases[i].code >> 8), (uint8_t)cases[i].code};
        size_t bytes = cases[i].code == -2 ? 0 : cases[i].code == -1 ? 1 : 2;
        put_frame(&sent, true, MM_WS_CLOSE, payload, bytes);
        if (!cases[i].allowed) {
            check_refused(MM_E_SYNTAX, 1002, 0);
            continue;
        }
        for (int late = 0; late < 200; late++) {
            put_text(&sent, "nobody listens behind a close frame, however much comes");
        }
        mm_ws *ws = mm_ws_new(BUFFER);
        MM_REQUIRE(ws != NULL);
        give(ws, sent.bytes, sent.count, BUFFER, &got);
        MM_CHECK_UINT(got.count, ==, 1);
        MM_CHECK_INT(got.messages[0].close_code, ==, cases[i].code == -2 ? 1005 : cases[i].code);
        MM_CHECK_INT(got.status, ==, MM_E_STATE);
        mm_ws_free(ws);
    }
    clear();
    put_frame(&sent, true, MM_WS_CLOSE, "\x03\xE8\xC0\x80", 4);
    check_refused(MM_E_SYNTAX, 1007, 0);
}

static void text_that_is_not_utf8_is_refused_with_1007(void)
{
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2\x20",
                                      "\xE0\x80\x80",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xE2\x82",
                                      "\xF0\x80\x80\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xFE",
                                      "\xF0\x9F\x98",
                                      "\xE2\x28\xA1",
                                      "\xF0\x9F\x28\x80"};
    static const char *const good[] = {"\xC2\x80",         "\xDF\xBF",         "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",     "\xEE\x80\x80",     "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\x7F"};
    static const char ascii[] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop";
    for (size_t shift = 0; shift < 68; shift += shift < 20 ? 1 : 7) {
        for (size_t i = 0; i < MM_TEST_COUNT(bad) + MM_TEST_COUNT(good); i++) {
            bool is_bad = i < MM_TEST_COUNT(bad);
            char text[256];
            snprintf(text, sizeof text, "%.*s%s%.*s", (int)shift, ascii,
                     is_bad ? bad[i] : good[i - MM_TEST_COUNT(bad)], (int)((3 * shift) % 68),
                     ascii);
            clear();
            put_text(&sent, text);
            if (is_bad) {
                check_refused(MM_E_SYNTAX, 1007, 0);
            } else {
                mm_ws *ws = mm_ws_new(BUFFER);
                MM_REQUIRE(ws != NULL);
                give(ws, sent.bytes, sent.count, BUFFER, &got);
                check_message(&got, 0, MM_WS_TEXT, text, strlen(text));
                mm_ws_free(ws);
            }
        }
    }
    clear();
    put_frame(&sent, false, MM_WS_TEXT, "\xE8\xBF", 2);
    put_frame(&sent, true, 0, "x", 1);
    check_refused(MM_E_SYNTAX, 1007, 0);
    clear();
    put_frame(&sent, true, MM_WS_BINARY, "\xFF", 1); /* binary may hold anything */
    mm_ws *ws = mm_ws_new(BUFFER);
    MM_REQUIRE(ws != NULL);
    give(ws, sent.bytes, sent.count, BUFFER, &got);
    check_message(&got, 0, MM_WS_BINARY, "\xFF", 1);
    mm_ws_free(ws);
}

static void random_bytes_never_break_the_parser(void)
{
    mm_ws *ws = mm_ws_new(1024);
    MM_REQUIRE(ws != NULL);
    for (int round = 0; round < 3000; round++) {
        clear();
        put_sample(&sent);
        for (size_t flips = mm_test_below(4) + 1; flips > 0; flips--) {
            sent.bytes[mm_test_below(sent.count)] = (uint8_t)mm_test_random();
        }
        mm_ws_reset(ws);
        give(ws, sent.bytes, sent.count, 1 + mm_test_below(900), &got);
        MM_CHECK(got.status == MM_E_STATE || got.status == MM_E_SYNTAX ||
                 got.status == MM_E_CAPACITY);
        MM_CHECK((mm_ws_close_code(ws) != 0) == (got.status != MM_E_STATE));
    }
    mm_ws_free(ws);
}

/* Decodes a client frame by the letter of the RFC. */
static size_t unmask(const uint8_t *frame, uint8_t *payload)
{
    size_t count = frame[1] & 0x7F;
    size_t at = 2;
    if (count >= 126) {
        size_t length_bytes = count == 126 ? 2 : 8;
        count = 0;
        for (size_t i = 0; i < length_bytes; i++) {
            count = count << 8 | frame[at + i];
        }
        at += length_bytes;
    }
    for (size_t i = 0; i < count; i++) {
        payload[i] = frame[at + 4 + i] ^ frame[at + i % 4];
    }
    return count;
}

static void client_frames_are_masked_and_decode_to_their_payload(void)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 1000, 65535, 65536, 70001};
    static uint8_t plain[80000];
    static uint8_t out[80001 + MM_WS_HEADER_MAX];
    static uint8_t back[80000];
    for (size_t i = 0; i < MM_TEST_COUNT(sizes); i++) {
        size_t bytes = sizes[i];
        size_t head = bytes < 126 ? 6 : bytes < 65536 ? 8 : 14;
        for (size_t k = 0; k < bytes; k++) {
            plain[k] = (uint8_t)mm_test_random();
        }
        for (int in_place = 0; in_place < 2; in_place++) {
            uint32_t key = (uint32_t)mm_test_random();
            memcpy(out + MM_WS_HEADER_MAX, plain, bytes);
            const uint8_t *payload = in_place ? out + MM_WS_HEADER_MAX : plain;
            out[head + bytes] ^= in_place ? 0 : 0xEE;
            uint8_t behind = out[head + bytes];
            size_t frame_bytes = mm_ws_encode(MM_WS_TEXT, payload, bytes, key, out);
            MM_CHECK_UINT(frame_bytes, ==, head + bytes);
            MM_CHECK(in_place || out[head + bytes] == behind);
            MM_CHECK_UINT(out[0], ==, 0x81);
            MM_CHECK_UINT(out[1] & 0x80, ==, 0x80);
            uint8_t mask[4] = {(uint8_t)key, (uint8_t)(key >> 8), (uint8_t)(key >> 16),
                               (uint8_t)(key >> 24)};
            MM_CHECK_BYTES(out + head - 4, mask, 4);
            MM_CHECK_UINT(unmask(out, back), ==, bytes);
            MM_CHECK_BYTES(back, plain, bytes);
        }
    }
    MM_CHECK_UINT(mm_ws_encode(MM_WS_PONG, (const uint8_t *)"1770", 4, 0, out), ==, 10);
    MM_CHECK_BYTES(out,
                   "\x8A\x84\0\0\0\0"
                   "1770",
                   10);
}

#if defined(NDEBUG)
static void more_than_the_space_given_is_not_taken_in(void)
{
    mm_ws *ws = mm_ws_new(4096);
    size_t room = 0, after = 0;
    MM_REQUIRE(ws != NULL);
    (void)mm_ws_space(ws, &room);
    MM_CHECK_SURVIVES((mm_ws_filled(ws, room + 1), 0));
    (void)mm_ws_space(ws, &after);
    MM_CHECK_UINT(after, ==, room);
    mm_ws_free(ws);
}
#endif

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(memory_of_the_wrong_size_is_refused),
        MM_TEST(messages_are_the_same_however_the_bytes_are_split),
        MM_TEST(random_streams_come_out_as_they_went_in),
        MM_TEST(frames_the_protocol_forbids_are_refused_with_1002),
        MM_TEST(fragments_out_of_order_are_refused),
        MM_TEST(lengths_not_in_their_shortest_form_are_refused),
        MM_TEST(a_message_over_the_limit_is_refused_before_it_is_read),
        MM_TEST(a_message_of_exactly_the_limit_arrives_whole_and_in_fragments),
        MM_TEST(a_million_empty_fragments_take_no_room),
        MM_TEST(close_frames_are_checked),
        MM_TEST(text_that_is_not_utf8_is_refused_with_1007),
        MM_TEST(random_bytes_never_break_the_parser),
        MM_TEST(client_frames_are_masked_and_decode_to_their_payload),
#if defined(NDEBUG)
        MM_TEST(more_than_the_space_given_is_not_taken_in),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
