#include "client/cli/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/say.h"
#include "common/bytes.h"

/* Bytes of the printable character at `data`: 0 for a control character or a byte that
 * is not UTF-8. */
static size_t printable(const uint8_t *data, size_t len)
{
    if (data[0] < 0x80) {
        return data[0] >= 0x20 && data[0] != 0x7f ? 1 : 0;
    }
    size_t size = data[0] >= 0xf0 ? 4 : data[0] >= 0xe0 ? 3 : 2;
    if (size > len || !gg_utf8_valid(gg_slice_of(data, size))) {
        return 0;
    }
    bool c1 = data[0] == 0xc2 && data[1] < 0xa0;
    return c1 ? 0 : size;
}

static void escape(FILE *to, uint8_t byte, bool keep_lines)
{
    if (byte == '\n' || byte == '\t') {
        if (keep_lines) {
            (void)fputc(byte, to);
        } else {
            (void)fputs(byte == '\n' ? "\\n" : "\\t", to);
        }
        return;
    }
    (void)fprintf(to, "\\x%02x", byte);
}

static void write_safe(FILE *to, const uint8_t *data, size_t len, bool keep_lines)
{
    for (size_t i = 0; i < len;) {
        size_t size = printable(data + i, len - i);
        if (size == 0) {
            escape(to, data[i], keep_lines);
            i++;
            continue;
        }
        (void)fwrite(data + i, 1, size, to);
        i += size;
    }
}

void gg_text_print(FILE *to, const void *data, size_t len)
{
    write_safe(to, data, len, false);
}

char *gg_text_safe(const void *data, size_t len)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = gg_say_need(open_memstream(&text, &size));
    gg_text_print(memory, data, len);
    (void)fclose(memory);
    return gg_say_need(text);
}

void gg_text_data(FILE *to, const void *data, size_t len)
{
    if (isatty(fileno(to))) {
        write_safe(to, data, len, true);
    } else if (len > 0) {
        (void)fwrite(data, 1, len, to);
    }
}

bool gg_text_colors(FILE *to)
{
    const char *no = getenv("NO_COLOR");
    return (no == NULL || no[0] == '\0') && isatty(fileno(to));
}
