#include "common/err.h"

const char *gg_err_text(enum gg_err err)
{
    switch (err) {
#define X(symbol, number, name, exit, text)                                            \
    case symbol:                                                                       \
        return text;
        GG_ERR_LIST(X)
#undef X
    }
    return "unknown error"; /* A peer newer than us may send codes we do not know. */
}

const char *gg_err_name(enum gg_err err)
{
    switch (err) {
#define X(symbol, number, name, exit, text)                                            \
    case symbol:                                                                       \
        return name;
        GG_ERR_LIST(X)
#undef X
    }
    return "unknown";
}

int gg_err_exit(enum gg_err err)
{
    switch (err) {
#define X(symbol, number, name, exit, text)                                            \
    case symbol:                                                                       \
        return exit;
        GG_ERR_LIST(X)
#undef X
    }
    return 70;
}
