#include "broker/store/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 4, PIECE_BYTES = 256 << 10, HEAD_BYTES = GG_ID_BYTES + 8 };

/* Records one after another: id, length, value. */
struct piece {
    uint8_t *data;
    size_t len;
    size_t room;
};

struct ahead {
    struct gg_database *database;
    uint8_t kind;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct piece pieces[PIECES]; /* A ring: filled ones from `visited` to `read`. */
    uint64_t read;
    uint64_t visited;
    bool ended;   /* All has been read, or … */
    bool stopped; /* … nobody wants more. */
    enum gg_err err;
    struct gg_store_report report;
};

/* ---- the thread that reads ---- */

static bool grow(struct piece *piece, size_t more)
{
    if (piece->len + more <= piece->room) {
        return true;
    }
    size_t room = piece->len + more > PIECE_BYTES ? piece->len + more : PIECE_BYTES;
    uint8_t *data = realloc(piece->data, room);
    if (data == NULL) {
        return false;
    }
    piece->data = data;
    piece->room = room;
    return true;
}

/* Hand over the piece that is full, and wait for an empty one. */
static void hand_over(struct ahead *ahead)
{
    (void)pthread_mutex_lock(&ahead->lock);
    ahead->read++;
    (void)pthread_cond_signal(&ahead->moved);
    while (ahead->read - ahead->visited == PIECES && !ahead->stopped) {
        (void)pthread_cond_wait(&ahead->moved, &ahead->lock);
    }
    bool stopped = ahead->stopped;
    (void)pthread_mutex_unlock(&ahead->lock);
    if (!stopped) {
        ahead->pieces[ahead->read % PIECES].len = 0;
    }
}

static bool is_stopped(struct ahead *ahead)
{
    (void)pthread_mutex_lock(&ahead->lock);
    bool stopped = ahead->stopped;
    (void)pthread_mutex_unlock(&ahead->lock);
    return stopped;
}

static enum gg_err take_row(void *ctx, uint8_t kind, const struct gg_row *row)
{
    struct ahead *ahead = ctx;
    (void)kind;
    size_t bytes = HEAD_BYTES + row->value.len;
    struct piece *piece = &ahead->pieces[ahead->read % PIECES];
    if (piece->len > 0 && piece->len + bytes > PIECE_BYTES) {
        hand_over(ahead);
        if (is_stopped(ahead)) {
            return GG_ERR_CLOSING; /* Nobody looks at it. */
        }
        piece = &ahead->pieces[ahead->read % PIECES];
    }
    if (!grow(piece, bytes)) {
        return gg_report_fault(&ahead->report, GG_ERR_NO_MEMORY, "no memory");
    }
    uint64_t len = row->value.len;
    memcpy(piece->data + piece->len, row->id.bytes, GG_ID_BYTES);
    memcpy(piece->data + piece->len + GG_ID_BYTES, &len, sizeof len);
    memcpy(piece->data + piece->len + HEAD_BYTES, row->value.data, row->value.len);
    piece->len += bytes;
    return GG_OK;
}

static void *read_all(void *ctx)
{
    struct ahead *ahead = ctx;
    enum gg_err err = gg_database_rows(ahead->database, ahead->kind, take_row, ahead,
                                       &ahead->report);
    (void)pthread_mutex_lock(&ahead->lock);
    if (ahead->pieces[ahead->read % PIECES].len > 0 && !ahead->stopped) {
        ahead->read++;
    }
    ahead->err = err;
    ahead->ended = true;
    (void)pthread_cond_signal(&ahead->moved);
    (void)pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

/* ---- the thread that visits ---- */

static enum gg_err visit_piece(const struct piece *piece, uint8_t kind,
                               gg_store_visit_fn *visit, void *ctx)
{
    enum gg_err err = GG_OK;
    for (size_t at = 0; at < piece->len && err == GG_OK;) {
        struct gg_store_key key = {.kind = kind};
        uint64_t len = 0;
        memcpy(key.id.bytes, piece->data + at, GG_ID_BYTES);
        memcpy(&len, piece->data + at + GG_ID_BYTES, sizeof len);
        err = visit(ctx, &key, gg_slice_of(piece->data + at + HEAD_BYTES, len));
        at += HEAD_BYTES + len;
    }
    return err;
}

/* The next filled piece; NULL: that was all. */
static struct piece *next_piece(struct ahead *ahead)
{
    struct piece *piece = NULL;
    (void)pthread_mutex_lock(&ahead->lock);
    while (ahead->read == ahead->visited && !ahead->ended) {
        (void)pthread_cond_wait(&ahead->moved, &ahead->lock);
    }
    if (ahead->read > ahead->visited) {
        piece = &ahead->pieces[ahead->visited % PIECES];
    }
    (void)pthread_mutex_unlock(&ahead->lock);
    return piece;
}

static void give_back(struct ahead *ahead, bool stop)
{
    (void)pthread_mutex_lock(&ahead->lock);
    ahead->visited++;
    ahead->stopped = stop;
    (void)pthread_cond_signal(&ahead->moved);
    (void)pthread_mutex_unlock(&ahead->lock);
}

enum gg_err gg_ahead_visit(struct gg_database *database, uint8_t kind,
                           gg_store_visit_fn *visit, void *ctx,
                           struct gg_store_report *report)
{
    struct ahead ahead = {.database = database, .kind = kind};
    struct piece *piece = NULL;
    enum gg_err err = GG_OK;
    pthread_t thread;
    (void)pthread_mutex_init(&ahead.lock, NULL);
    (void)pthread_cond_init(&ahead.moved, NULL);
    if (pthread_create(&thread, NULL, read_all, &ahead) != 0) {
        err = gg_report_fault(report, GG_ERR_NO_MEMORY, "no thread to read with");
    } else {
        while (err == GG_OK && (piece = next_piece(&ahead)) != NULL) {
            err = visit_piece(piece, kind, visit, ctx);
            give_back(&ahead, err != GG_OK);
        }
        (void)pthread_join(thread, NULL);
        if (err == GG_OK && ahead.err != GG_OK) {
            err = gg_report_fault(report, ahead.err, "%s", ahead.report.fault);
        }
    }
    for (int i = 0; i < PIECES; i++) {
        free(ahead.pieces[i].data);
    }
    (void)pthread_cond_destroy(&ahead.moved);
    (void)pthread_mutex_destroy(&ahead.lock);
    return err;
}
