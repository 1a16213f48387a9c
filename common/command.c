#include "common/command.h"

static const struct gg_command_type types[GG_CMD_CODE_MAX + 1] = {
#define X(symbol, code, record, member, senders, name, meaning)                        \
    [code] = {name, GG_RECORD_##record, senders, meaning},
    GG_COMMAND_LIST(X)
#undef X
};

const struct gg_command_type *gg_command_type_of(uint64_t code)
{
    if (code > GG_CMD_CODE_MAX || types[code].name == NULL) {
        return NULL;
    }
    return &types[code];
}
