#include "client/cli/keypair.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"

enum { KEY_BYTES = 32, LINES_MAX = 1000 };

bool gg_keypair_new(struct gg_keypair *out)
{
    return zmq_curve_keypair(out->public_key, out->secret_key) == 0;
}

bool gg_keypair_valid(const char *text)
{
    unsigned char key[KEY_BYTES];
    return strlen(text) == GG_KEYPAIR_TEXT_BYTES - 1 &&
           zmq_z85_decode(key, text) != NULL;
}

static bool write_file(const struct gg_keypair *pair, const char *path, bool secret)
{
    char made[GG_WALL_TEXT_BYTES];
    gg_wall_format(gg_wall_now(), made);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        (void)close(fd);
        return false;
    }
    (void)fprintf(file, "#   ****  Generated on %s by ganger  ****\n", made);
    (void)fprintf(file, "#   ZeroMQ CURVE %s Certificate\n",
                  secret ? "**Secret**" : "Public");
    (void)fprintf(file, "#   %s\n\nmetadata\ncurve\n    public-key = \"%s\"\n",
                  secret ? "DO NOT PROVIDE THIS FILE TO OTHER USERS."
                         : "Exchange securely, or use a secure channel to verify it.",
                  pair->public_key);
    if (secret) {
        (void)fprintf(file, "    secret-key = \"%s\"\n", pair->secret_key);
    }
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fd) == 0;
    good = good && (secret || fchmod(fd, 0644) == 0);
    return fclose(file) == 0 && good;
}

bool gg_keypair_write(const struct gg_keypair *pair, const char *path)
{
    char public_path[PATH_MAX];
    int len = snprintf(public_path, sizeof public_path, "%s.pub", path);
    if (len < 0 || (size_t)len >= sizeof public_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (access(public_path, F_OK) == 0) {
        errno = EEXIST;
        return false;
    }
    if (!write_file(pair, path, true)) {
        if (errno != EEXIST) {
            int saved = errno;
            (void)unlink(path);
            errno = saved;
        }
        return false;
    }
    if (!write_file(pair, public_path, false)) {
        int saved = errno;
        (void)unlink(path);
        errno = saved;
        return false;
    }
    return true;
}

bool gg_keypair_read_public(const char *path, char out[GG_KEYPAIR_TEXT_BYTES])
{
    char line[512];
    FILE *file = fopen(path, "re");
    bool found = false;
    if (file == NULL) {
        return false;
    }
    for (int i = 0; !found && i < LINES_MAX && fgets(line, sizeof line, file); i++) {
        char key[GG_KEYPAIR_TEXT_BYTES];
        if (sscanf(line, " public-key = \"%40[^\"\n]\"", key) == 1 &&
            gg_keypair_valid(key)) {
            memcpy(out, key, sizeof key);
            found = true;
        }
    }
    (void)fclose(file);
    return found;
}
