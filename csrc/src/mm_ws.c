/* WebSocket frames of RFC 6455 as a client sees them, over one receive buffer.
 *
 *     0        start      start + joined   parse        filled        capacity
 *     |  used  |  fragments  |  used (gap)  |  unread   |   free       |
 *
 * A message of one frame is handed out where it lies. Of a message in fragments the payloads are
 * moved together at `start`, each once. mm_ws_space closes the gaps when less than half of the
 * buffer is free, which moves a byte at most twice, however the bytes arrive. */
#include "mm_internal.h"
#include "mm_utf8.h"

#include <string.h>

enum {
    OPCODE_CONTINUATION = 0,
    CONTROL_BIT = 8,
    CONTROL_MAX = 125,
    /* A control frame may stand between the fragments of the longest message. */
    CONTROL_FRAME_MAX = 2 + CONTROL_MAX,
    BUFFER_MIN = 1024,
    BUFFER_MAX = 1 << 28
};

enum { CLOSE_PROTOCOL = 1002, CLOSE_NO_STATUS = 1005, CLOSE_NOT_UTF8 = 1007, CLOSE_TOO_BIG = 1009 };

struct mm_ws {
    uint8_t *buffer;
    size_t capacity;
    size_t message_max;
    size_t start;   /* of the fragments joined so far */
    size_t joined;  /* their bytes */
    size_t parse;   /* next frame header */
    size_t filled;  /* end of the bytes received */
    int32_t opcode; /* of the message whose fragments are being joined, 0 = none */
    int32_t close_code;
    mm_status failure;
    bool closed; /* the peer's close frame has been handed out */
};

typedef struct {
    const uint8_t *payload;
    size_t payload_bytes;
    int32_t opcode;
    bool final;
} ws_frame;

static size_t header_bytes(void)
{
    return (sizeof(mm_ws) + MM_CACHE_LINE_BYTES - 1) / MM_CACHE_LINE_BYTES * MM_CACHE_LINE_BYTES;
}

static MM_INVARIANT bool ws_is_sane(const mm_ws *ws)
{
    return ws->start + ws->joined <= ws->parse && ws->parse <= ws->filled &&
           ws->filled <= ws->capacity && ws->joined <= ws->message_max;
}

size_t mm_ws_bytes(size_t buffer_bytes)
{
    if (buffer_bytes < BUFFER_MIN || buffer_bytes > BUFFER_MAX) {
        return 0;
    }
    return header_bytes() + buffer_bytes;
}

mm_status mm_ws_init(void *memory, size_t memory_bytes, size_t buffer_bytes, mm_ws **ws)
{
    MM_ASSERT(ws != NULL);
    size_t needed = mm_ws_bytes(buffer_bytes);
    if (needed == 0 || !mm__memory_fits(memory, memory_bytes, needed)) {
        return MM_E_ARGUMENT;
    }
    mm_ws *made = memory;
    made->buffer = (uint8_t *)memory + header_bytes();
    made->capacity = buffer_bytes;
    made->message_max = buffer_bytes - CONTROL_FRAME_MAX;
    if (made->message_max > MM_WS_MESSAGE_MAX) {
        made->message_max = MM_WS_MESSAGE_MAX;
    }
    mm_ws_reset(made);
    *ws = made;
    return MM_OK;
}

mm_ws *mm_ws_new(size_t buffer_bytes)
{
    size_t needed = mm_ws_bytes(buffer_bytes);
    void *memory = needed == 0 ? NULL : mm__memory_new(needed);
    mm_ws *ws = NULL;
    if (memory != NULL) {
        mm_status status = mm_ws_init(memory, needed, buffer_bytes, &ws);
        MM_ASSERT(status == MM_OK);
    }
    return ws;
}

void mm_ws_free(mm_ws *ws)
{
    mm__memory_free(ws);
}

void mm_ws_reset(mm_ws *ws)
{
    MM_ASSERT(ws != NULL);
    ws->start = 0;
    ws->joined = 0;
    ws->parse = 0;
    ws->filled = 0;
    ws->opcode = 0;
    ws->close_code = 0;
    ws->failure = MM_OK;
    ws->closed = false;
}

/* ---- Receiving ---- */

/* Fragments and unread bytes to the front of the buffer. */
static void close_gaps(mm_ws *ws)
{
    if (ws->joined > 0 && ws->start > 0) {
        memmove(ws->buffer, ws->buffer + ws->start, ws->joined);
    }
    ws->start = 0;
    size_t unread = ws->filled - ws->parse;
    if (ws->parse > ws->joined && unread > 0) {
        memmove(ws->buffer + ws->joined, ws->buffer + ws->parse, unread);
    }
    ws->parse = ws->joined;
    ws->filled = ws->joined + unread;
    MM_ASSERT(ws_is_sane(ws));
}

uint8_t *mm_ws_space(mm_ws *ws, size_t *space_bytes)
{
    MM_ASSERT(ws != NULL);
    MM_ASSERT(space_bytes != NULL);
    MM_ASSERT(ws_is_sane(ws));
    bool nothing_kept = ws->joined == 0 && ws->parse == ws->filled;
    if (nothing_kept || ws->capacity - ws->filled < ws->capacity / 2) {
        close_gaps(ws);
    }
    *space_bytes = ws->capacity - ws->filled;
    return ws->buffer + ws->filled;
}

void mm_ws_filled(mm_ws *ws, size_t bytes)
{
    MM_ASSERT(ws != NULL);
    bool fits = bytes <= ws->capacity - ws->filled;
    MM_ASSERT(fits);
    if (fits) {
        ws->filled += bytes;
    }
}

/* ---- Parsing ---- */

static mm_status fail(mm_ws *ws, mm_status status, int32_t close_code)
{
    ws->failure = status;
    ws->close_code = close_code;
    return status;
}

/* The rules that the first two bytes of a frame can break. */
static bool head_is_allowed(const mm_ws *ws, uint8_t first, uint8_t second)
{
    int32_t opcode = first & 0x0F;
    bool final = (first & 0x80) != 0;
    if ((first & 0x70) != 0 || (second & 0x80) != 0) {
        return false; /* reserved bits; a masked frame from the server */
    }
    switch (opcode) {
    case OPCODE_CONTINUATION:
        return ws->opcode != 0;
    case MM_WS_TEXT:
    case MM_WS_BINARY:
        return ws->opcode == 0;
    case MM_WS_CLOSE:
    case MM_WS_PING:
    case MM_WS_PONG:
        return final && (second & 0x7F) <= CONTROL_MAX;
    default:
        return false;
    }
}

static uint64_t read_big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* The next whole frame. MM_E_STATE: not all of it is here. What is wrong with a frame is said as
 * soon as its header shows it. */
static mm_status take_frame(mm_ws *ws, ws_frame *frame)
{
    const uint8_t *head = ws->buffer + ws->parse;
    size_t unread = ws->filled - ws->parse;
    if (unread < 2) {
        return MM_E_STATE;
    }
    if (!head_is_allowed(ws, head[0], head[1])) {
        return fail(ws, MM_E_SYNTAX, CLOSE_PROTOCOL);
    }
    uint64_t length = head[1] & 0x7F;
    size_t length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (unread < 2 + length_bytes) {
        return MM_E_STATE;
    }
    if (length_bytes > 0) {
        length = read_big_endian(head + 2, length_bytes);
        uint64_t least = length_bytes == 2 ? 126 : 65536;
        if (length < least || length > INT64_MAX) {
            return fail(ws, MM_E_SYNTAX, CLOSE_PROTOCOL); /* not the shortest form; top bit set */
        }
    }
    if ((head[0] & CONTROL_BIT) == 0 && length > ws->message_max - ws->joined) {
        return fail(ws, MM_E_CAPACITY, CLOSE_TOO_BIG);
    }
    if (unread - 2 - length_bytes < length) {
        return MM_E_STATE;
    }
    frame->payload = head + 2 + length_bytes;
    frame->payload_bytes = (size_t)length;
    frame->opcode = head[0] & 0x0F;
    frame->final = (head[0] & 0x80) != 0;
    ws->parse += 2 + length_bytes + (size_t)length;
    return MM_OK;
}

/* Codes an endpoint may put into a close frame (RFC 6455 7.4 and the IANA registry). */
static bool close_code_is_allowed(uint64_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static mm_status take_close(mm_ws *ws, const ws_frame *frame, mm_ws_message *message)
{
    message->close_code = CLOSE_NO_STATUS;
    if (frame->payload_bytes > 0) {
        uint64_t code = frame->payload_bytes < 2 ? 0 : read_big_endian(frame->payload, 2);
        if (!close_code_is_allowed(code)) {
            return fail(ws, MM_E_SYNTAX, CLOSE_PROTOCOL);
        }
        message->close_code = (int32_t)code;
        message->payload = frame->payload + 2;
        message->payload_bytes = frame->payload_bytes - 2;
        if (!mm__utf8_valid(message->payload, message->payload_bytes)) {
            return fail(ws, MM_E_SYNTAX, CLOSE_NOT_UTF8);
        }
    }
    ws->closed = true;
    return MM_OK;
}

/* Appends a fragment to those before it. */
static void join(mm_ws *ws, const ws_frame *frame)
{
    if (ws->opcode == 0) {
        ws->opcode = frame->opcode;
        ws->start = (size_t)(frame->payload - ws->buffer);
        ws->joined = frame->payload_bytes;
    } else {
        memmove(ws->buffer + ws->start + ws->joined, frame->payload, frame->payload_bytes);
        ws->joined += frame->payload_bytes;
    }
    MM_ASSERT(ws_is_sane(ws));
}

/* Takes a data frame; true when it completes a message. */
static bool take_data(mm_ws *ws, const ws_frame *frame, mm_ws_message *message)
{
    if (frame->final && ws->opcode == 0) {
        return true;
    }
    join(ws, frame);
    if (!frame->final) {
        return false;
    }
    message->payload = ws->buffer + ws->start;
    message->payload_bytes = ws->joined;
    message->opcode = ws->opcode;
    ws->opcode = 0;
    ws->joined = 0;
    ws->start = ws->parse;
    return true;
}

mm_status mm_ws_next(mm_ws *ws, mm_ws_message *message)
{
    MM_ASSERT(ws != NULL);
    MM_ASSERT(message != NULL);
    MM_ASSERT(ws_is_sane(ws));
    if (ws->failure != MM_OK) {
        return ws->failure;
    }
    if (ws->closed) {
        ws->joined = 0;
        ws->parse = ws->filled; /* what comes behind a close frame is dropped */
        return MM_E_STATE;
    }
    for (;;) { /* each turn takes at least two of the unread bytes */
        ws_frame frame;
        mm_status status = take_frame(ws, &frame);
        if (status != MM_OK) {
            return status;
        }
        message->payload = frame.payload;
        message->payload_bytes = frame.payload_bytes;
        message->opcode = frame.opcode;
        message->close_code = 0;
        if (frame.opcode == MM_WS_CLOSE) {
            return take_close(ws, &frame, message);
        }
        if ((frame.opcode & CONTROL_BIT) != 0) {
            return MM_OK;
        }
        if (take_data(ws, &frame, message)) {
            break;
        }
    }
    if (message->opcode == MM_WS_TEXT &&
        !mm__utf8_valid(message->payload, message->payload_bytes)) {
        return fail(ws, MM_E_SYNTAX, CLOSE_NOT_UTF8);
    }
    return MM_OK;
}

int32_t mm_ws_close_code(const mm_ws *ws)
{
    MM_ASSERT(ws != NULL);
    return ws->close_code;
}

/* ---- Sending ---- */

/* Header of a client frame without the mask; returns its bytes. */
static size_t write_head(int32_t opcode, size_t payload_bytes, uint8_t *out)
{
    size_t length_bytes = payload_bytes < 126 ? 0 : payload_bytes < 65536 ? 2 : 8;
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = (uint8_t)(0x80 | (length_bytes == 0 ? payload_bytes : length_bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < length_bytes; i++) {
        out[2 + i] = (uint8_t)((uint64_t)payload_bytes >> (8 * (length_bytes - 1 - i)));
    }
    return 2 + length_bytes;
}

size_t mm_ws_encode(int32_t opcode, const uint8_t *payload, size_t payload_bytes, uint32_t mask_key,
                    uint8_t *out)
{
    MM_ASSERT(opcode == MM_WS_TEXT || opcode == MM_WS_BINARY ||
              (opcode >= MM_WS_CLOSE && opcode <= MM_WS_PONG && payload_bytes <= CONTROL_MAX));
    MM_ASSERT(payload != NULL || payload_bytes == 0);
    MM_ASSERT(out != NULL);
    uint8_t head[MM_WS_HEADER_MAX];
    size_t head_bytes = write_head(opcode, payload_bytes, head);
    uint8_t mask[8];
    for (size_t i = 0; i < sizeof mask; i++) {
        mask[i] = (uint8_t)(mask_key >> (8 * (i % 4)));
    }
    memcpy(head + head_bytes, mask, 4);
    head_bytes += 4;
    uint64_t mask_word = 0;
    memcpy(&mask_word, mask, sizeof mask);
    memcpy(out, head, head_bytes);
    /* Upwards: a payload that lies in `out` lies at or behind where it goes, so each word is read
     * before anything is written over it. */
    uint8_t *masked = out + head_bytes;
    size_t at = 0;
    for (; payload_bytes - at >= sizeof mask_word; at += sizeof mask_word) {
        uint64_t word = 0;
        memcpy(&word, payload + at, sizeof word);
        word ^= mask_word;
        memcpy(masked + at, &word, sizeof word);
    }
    for (; at < payload_bytes; at++) {
        masked[at] = payload[at] ^ mask[at % 4];
    }
    return head_bytes + payload_bytes;
}
