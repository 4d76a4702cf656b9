/* WebSocket frames from the server, in pieces of any size, against a parser that looks at the whole stream at once; and client
 * frames back. The first bytes of an input say how the rest arrives. */
#include "mm_fuzz.h"

enum { BUFFER_BYTES = 1024, ROOM = BUFFER_BYTES - 127, MESSAGES_MAX = 1200 };

typedef struct {
    uint8_t payload[ROOM];
    size_t payload_bytes;
    int32_t opcode;
    int32_t close_code;
} slow_message;

/* What a stream comes to: its messages, then MM_E_STATE (more is needed), or an error and a close code. */
static struct {
    slow_message messages[MESSAGES_MAX];
    size_t message_count;
    mm_status end;
    int32_t close_code;
} slow;

/* ---- The other parser ---- */

/* Code points one by one, as RFC 3629 writes them. */
static bool slow_utf8(const uint8_t *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        uint32_t lead = text[at], code = lead;
        size_t more = lead < 0x80 ? 0 : lead < 0xC0 ? 9 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF8 ? 3 : 9;
        static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
        if (more > 3 || bytes - at <= more) {
            return false;
        }
        code &= more == 0 ? 0x7Fu : 0x3Fu >> more;
        for (size_t i = 1; i <= more; i++) {
            if ((text[at + i] & 0xC0) != 0x80) {
                return false;
            }
            code = code << 6 | (text[at + i] & 0x3Fu);
        }
        if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return false;
        }
        at += more + 1;
    }
    return true;
}

static void slow_end(mm_status status, int32_t close_code)
{
    slow.end = status;
    slow.close_code = close_code;
}

/* Puts a whole message or control frame on the list; false when it breaks a rule, or nothing may follow it. */
static bool slow_put(int32_t opcode, const uint8_t *payload, size_t bytes)
{
    FUZZ_CHECK(slow.message_count < MESSAGES_MAX);
    slow_message *message = &slow.messages[slow.message_count];
    message->opcode = opcode;
    message->close_code = 0;
    if (opcode == MM_WS_CLOSE) {
        uint32_t code = bytes >= 2 ? (uint32_t)payload[0] << 8 | payload[1] : 0;
        bool known = code >= 1000 && code < 1015 && code != 1004 && code != 1005 && code != 1006;
        if (bytes > 0 && !known && !(code >= 3000 && code < 5000)) {
            slow_end(MM_E_SYNTAX, 1002);
            return false;
        }
        message->close_code = bytes > 0 ? (int32_t)code : 1005;
        payload += bytes > 0 ? 2 : 0;
        bytes -= bytes > 0 ? 2 : 0;
    }
    if ((opcode == MM_WS_CLOSE || opcode == MM_WS_TEXT) && !slow_utf8(payload, bytes)) {
        slow_end(MM_E_SYNTAX, 1007);
        return false;
    }
    memcpy(message->payload, payload, bytes);
    message->payload_bytes = bytes;
    slow.message_count++;
    return opcode != MM_WS_CLOSE;
}

/* One frame at stream[*at]; false at the end of what can be said. */
static bool slow_frame(const uint8_t *stream, size_t bytes, size_t *at, int32_t *open, uint8_t *joined, size_t *joined_bytes)
{
    const uint8_t *head = stream + *at;
    size_t left = bytes - *at, head_bytes = 2;
    slow_end(MM_E_STATE, 0);
    if (left < 2) {
        return false;
    }
    int32_t opcode = head[0] & 15;
    bool final = head[0] >= 0x80, control = opcode >= 8;
    bool known = opcode <= MM_WS_BINARY || (opcode >= MM_WS_CLOSE && opcode <= MM_WS_PONG);
    bool order = control || (opcode == 0) == (*open != 0);
    uint64_t length = head[1];
    if (!known || !order || (head[0] & 0x70) != 0 || length >= 128 || (control && (!final || length > 125))) {
        slow_end(MM_E_SYNTAX, 1002);
        return false;
    }
    if (length >= 126) {
        size_t size_bytes = length == 126 ? 2 : 8;
        uint64_t least = length == 126 ? 126 : 65536;
        head_bytes += size_bytes;
        if (left < head_bytes) {
            return false;
        }
        length = 0;
        for (size_t i = 0; i < size_bytes; i++) {
            length = length * 256 + head[2 + i];
        }
        if (length < least || length > INT64_MAX) {
            slow_end(MM_E_SYNTAX, 1002);
            return false;
        }
    }
    if (!control && length > ROOM - *joined_bytes) {
        slow_end(MM_E_CAPACITY, 1009);
        return false;
    }
    if (left - head_bytes < length) {
        return false;
    }
    *at += head_bytes + (size_t)length;
    if (control) {
        return slow_put(opcode, head + head_bytes, (size_t)length);
    }
    *open = opcode != 0 ? opcode : *open;
    memcpy(joined + *joined_bytes, head + head_bytes, (size_t)length);
    *joined_bytes += (size_t)length;
    if (!final) {
        return true;
    }
    int32_t whole = *open;
    size_t whole_bytes = *joined_bytes;
    *open = 0;
    *joined_bytes = 0;
    return slow_put(whole, joined, whole_bytes);
}

static void slow_parse(const uint8_t *stream, size_t bytes)
{
    static uint8_t joined[ROOM];
    size_t at = 0, joined_bytes = 0;
    int32_t open = 0;
    slow.message_count = 0;
    while (slow_frame(stream, bytes, &at, &open, joined, &joined_bytes)) {
    }
}

/* ---- The library's ---- */

/* Messages that are there now, from slow.messages[*seen] on; the status that ended them. */
static mm_status check_messages(mm_ws *ws, size_t *seen)
{
    mm_ws_message message;
    mm_status status = mm_ws_next(ws, &message);
    for (; status == MM_OK; status = mm_ws_next(ws, &message)) {
        FUZZ_CHECK(*seen < slow.message_count);
        const slow_message *wanted = &slow.messages[(*seen)++];
        FUZZ_EQUAL(message.opcode, wanted->opcode);
        FUZZ_EQUAL(message.close_code, wanted->close_code);
        FUZZ_EQUAL(message.payload_bytes, wanted->payload_bytes);
        FUZZ_CHECK(memcmp(message.payload, wanted->payload, wanted->payload_bytes) == 0);
    }
    return status;
}

static void check_stream(mm_ws *ws, const uint8_t *stream, size_t bytes, size_t piece_bytes, bool eager)
{
    size_t seen = 0, given = 0;
    mm_status status = MM_E_STATE;
    while (given < bytes && status == MM_E_STATE) {
        size_t room = 0;
        uint8_t *to = mm_ws_space(ws, &room);
        size_t piece = bytes - given < piece_bytes ? bytes - given : piece_bytes;
        FUZZ_CHECK(room > 0 || !eager);
        piece = piece < room ? piece : room;
        memcpy(to, stream + given, piece);
        mm_ws_filled(ws, piece);
        given += piece;
        if (eager || piece == room || given == bytes) {
            status = check_messages(ws, &seen);
        }
    }
    FUZZ_EQUAL(status, bytes > 0 ? slow.end : MM_E_STATE);
    FUZZ_EQUAL(seen, slow.message_count);
    FUZZ_EQUAL(mm_ws_close_code(ws), slow.close_code);
}

/* A client frame unmasks to what went in. */
static void check_encode(const uint8_t *payload, size_t bytes, uint32_t key, bool in_place)
{
    uint8_t *out = malloc(bytes + MM_WS_HEADER_MAX);
    FUZZ_CHECK(out != NULL);
    const uint8_t *from = payload;
    if (in_place) {
        memcpy(out + MM_WS_HEADER_MAX, payload, bytes);
        from = out + MM_WS_HEADER_MAX;
    }
    size_t written = mm_ws_encode(MM_WS_TEXT, from, bytes, key, out);
    size_t head_bytes = bytes < 126 ? 6 : bytes < 65536 ? 8 : 14;
    FUZZ_EQUAL(written, head_bytes + bytes);
    FUZZ_EQUAL(out[0], 0x81);
    FUZZ_EQUAL(out[1], 0x80 | (bytes < 126 ? bytes : bytes < 65536 ? 126u : 127u));
    FUZZ_CHECK(bytes < 126 || (size_t)out[2] << 8 == (bytes & 0xFF00));
    FUZZ_CHECK(bytes < 126 || out[3] == (bytes & 255));
    for (size_t i = 0; i < bytes; i++) {
        FUZZ_EQUAL(out[head_bytes + i] ^ out[head_bytes - 4 + i % 4], payload[i]);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory;
    size_t memory_bytes = mm_ws_bytes(BUFFER_BYTES);
    fuzz_input in = {data, size};
    bool eager = fuzz_bool(&in);
    size_t piece_bytes = 1 + fuzz_u8(&in) * (size_t)(1 + (fuzz_u8(&in) & 3));
    mm_ws *ws = NULL;
    if (memory == NULL) {
        memory = fuzz_memory(memory_bytes);
    }
    FUZZ_EQUAL(mm_ws_init(memory, memory_bytes, BUFFER_BYTES, &ws), MM_OK);
    slow_parse(in.at, in.left);
    check_stream(ws, in.at, in.left, piece_bytes, eager);
    mm_ws_reset(ws);
    check_stream(ws, in.at, in.left, BUFFER_BYTES, true);
    check_encode(in.at, in.left, (uint32_t)piece_bytes * 0x01234567u, eager);
    return 0;
}
