/* test_ring.c - a stream of bytes through shared memory, and what a peer may do. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ring.h"

#include <cmocka.h>

enum { STREAM_BYTES = 4 << 20, PIECE_BYTES = 5000, WAIT_MS = 1000 };

struct fixture {
    struct gg_ring reader;
    struct gg_ring writer;
    int fd;
    struct gg_buf out;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.fd = -1};
    gg_buf_init(&f.out, STREAM_BYTES * 2);
    assert_int_equal(gg_ring_new(&f.reader, &f.fd), GG_OK);
    assert_int_equal(gg_ring_open(&f.writer, f.fd, 0), GG_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_ring_close(&f->reader);
    gg_ring_close(&f->reader); /* Twice is no harm. */
    gg_ring_close(&f->writer);
    gg_buf_fini(&f->out);
    (void)close(f->fd);
    return 0;
}

/* The byte that stands at a place of the stream. */
static uint8_t byte_at(size_t place)
{
    return (uint8_t)(place * 31 + place / 253);
}

static void fill(uint8_t *bytes, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = byte_at(from + i);
    }
}

static void assert_stream(const struct gg_buf *out)
{
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] != byte_at(i)) {
            fail_msg("byte %zu is another", i);
        }
    }
}

static void what_is_put_is_taken_over_the_end_of_the_memory(void **state)
{
    struct fixture *f = *state;
    size_t all = 0;
    bool wake = false;
    for (size_t len = 1; all < (size_t)GG_RING_BYTES * 5; len = len * 3 % 7919 + 1) {
        uint8_t piece[8000];
        fill(piece, all, len);
        assert_int_equal(gg_ring_put(&f->writer, gg_slice_of(piece, len), &wake), len);
        all += len;
        assert_true(gg_ring_take(&f->reader, &f->out));
        assert_int_equal(f->out.len, all);
    }
    assert_stream(&f->out);
}

static void put_takes_what_there_is_room_for(void **state)
{
    struct fixture *f = *state;
    static uint8_t much[GG_RING_BYTES + 100];
    bool wake = false;
    fill(much, 0, sizeof much);

    size_t put = gg_ring_put(&f->writer, gg_slice_of(much, sizeof much), &wake);

    assert_int_equal(put, GG_RING_BYTES);
    assert_int_equal(gg_ring_put(&f->writer, gg_slice_of(much, 1), &wake), 0);
    assert_true(gg_ring_take(&f->reader, &f->out));
    assert_int_equal(
        gg_ring_put(&f->writer, gg_slice_of(much + put, sizeof much - put), &wake),
        sizeof much - put);
    assert_true(gg_ring_take(&f->reader, &f->out));
    assert_int_equal(f->out.len, sizeof much);
    assert_stream(&f->out);
}

static void sleeping_reader_is_woken_once(void **state)
{
    struct fixture *f = *state;
    bool wake = false;

    (void)gg_ring_put(&f->writer, gg_slice_text("a"), &wake);
    assert_true(wake); /* A new one's reader sleeps. */
    (void)gg_ring_put(&f->writer, gg_slice_text("b"), &wake);
    assert_false(wake);

    assert_true(gg_ring_has(&f->reader));
    assert_false(gg_ring_sleep(&f->reader)); /* Something is there. */
    (void)gg_ring_put(&f->writer, gg_slice_text("c"), &wake);
    assert_false(wake);
    assert_true(gg_ring_take(&f->reader, &f->out));
    assert_false(gg_ring_has(&f->reader));
    assert_true(gg_ring_sleep(&f->reader));
    (void)gg_ring_put(&f->writer, gg_slice_text("d"), &wake);
    assert_true(wake);
}

static void count_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    static const uint32_t lies[] = {GG_RING_BYTES + 1, UINT32_MAX, UINT32_MAX / 2};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        atomic_store(&f->writer.page->put, lies[i]);
        assert_false(gg_ring_take(&f->reader, &f->out));
        assert_int_equal(f->out.len, 0);
    }
}

static void readers_lie_gives_a_writer_no_room_beyond_the_memory(void **state)
{
    struct fixture *f = *state;
    static uint8_t much[GG_RING_BYTES * 2];
    bool wake = false;

    atomic_store(&f->writer.page->taken, 1); /* More than was ever put. */
    assert_int_equal(gg_ring_put(&f->writer, gg_slice_of(much, 1), &wake), 0);
    atomic_store(&f->writer.page->taken, (uint32_t)-GG_RING_BYTES * 2);
    assert_int_equal(gg_ring_put(&f->writer, gg_slice_of(much, 1), &wake), 0);
}

static void memory_cannot_be_cut_under_its_reader(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ftruncate(f->fd, 0), -1);
    assert_int_equal(errno, EPERM);
}

static void other_descriptor_is_no_ring(void **state)
{
    struct gg_ring ring = {.page = NULL};
    (void)state;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int file = memfd_create("no-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(null >= 0 && file >= 0);
    assert_int_equal(ftruncate(file, (off_t)sizeof *ring.page), 0);

    assert_int_equal(gg_ring_open(&ring, null, 0), GG_ERR_SYSTEM);
    assert_int_equal(gg_ring_open(&ring, file, 0), GG_ERR_SYSTEM); /* Not sealed. */
    assert_int_equal(gg_ring_open(&ring, -1, 0), GG_ERR_SYSTEM);
    assert_null(ring.page);
    (void)close(null);
    (void)close(file);
}

static void next_reader_goes_on_where_the_one_before_was(void **state)
{
    struct fixture *f = *state;
    struct gg_ring next;
    bool wake = false;
    (void)gg_ring_put(&f->writer, gg_slice_text("one"), &wake);
    assert_true(gg_ring_take(&f->reader, &f->out));
    (void)gg_ring_put(&f->writer, gg_slice_text("two"), &wake);

    assert_int_equal(gg_ring_open(&next, f->fd, f->reader.at), GG_OK);

    gg_buf_clear(&f->out);
    assert_true(gg_ring_take(&next, &f->out));
    assert_true(gg_slice_equal(gg_buf_slice(&f->out), gg_slice_text("two")));
    gg_ring_close(&next);
}

/* ---- both at once ---- */

/* A bell, as small as can be. */
static atomic_uint bells;

static void *write_stream(void *ctx)
{
    struct gg_ring *ring = ctx;
    uint8_t piece[PIECE_BYTES];
    for (size_t all = 0, len = 1; all < STREAM_BYTES; len = len * 7 % PIECE_BYTES + 1) {
        size_t wanted = len < STREAM_BYTES - all ? len : STREAM_BYTES - all;
        bool wake = false;
        fill(piece, all, wanted);
        size_t put = gg_ring_put(ring, gg_slice_of(piece, wanted), &wake);
        if (wake) {
            (void)atomic_fetch_add(&bells, 1);
        }
        if (put == 0) {
            gg_ring_wait(ring, WAIT_MS);
        }
        all += put;
    }
    return NULL;
}

/* A reader that takes sleep seriously: it looks again only when the bell has rung. */
static void all_arrives_in_order_while_both_are_at_work(void **state)
{
    struct fixture *f = *state;
    pthread_t writer;
    unsigned heard = 0;
    atomic_store(&bells, 0);
    assert_int_equal(pthread_create(&writer, NULL, write_stream, &f->writer), 0);

    while (f->out.len < STREAM_BYTES) {
        assert_true(gg_ring_take(&f->reader, &f->out));
        if (f->out.len < STREAM_BYTES && gg_ring_sleep(&f->reader)) {
            while (atomic_load(&bells) == heard) {
            }
            heard = atomic_load(&bells);
        }
    }

    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(f->out.len, STREAM_BYTES);
    assert_stream(&f->out);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_taken_over_the_end_of_the_memory),
        TEST(put_takes_what_there_is_room_for),
        TEST(sleeping_reader_is_woken_once),
        TEST(count_that_cannot_be_is_refused),
        TEST(readers_lie_gives_a_writer_no_room_beyond_the_memory),
        TEST(memory_cannot_be_cut_under_its_reader),
        TEST(other_descriptor_is_no_ring),
        TEST(next_reader_goes_on_where_the_one_before_was),
        TEST(all_arrives_in_order_while_both_are_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
