/* data.h - the data folder: where it is, and what can be done with it while no broker
 * has it open.
 */
#ifndef GG_BROKER_DATA_H
#define GG_BROKER_DATA_H

#include "broker/settings.h"
#include "broker/store/store.h"

enum { GG_DATA_PATH_BYTES = 4096 };

/* Where jobs are kept when nobody says: the service manager's state folder, or
 * $XDG_STATE_HOME/ganger, or ~/.local/state/ganger; folders above it are made. False,
 * with errno where a call failed: there is no such place. */
bool gg_data_default(char path[GG_DATA_PATH_BYTES]);

/* `said`, from the root on. False: it is too long, or there is no working folder. */
bool gg_data_absolute(const char *said, char path[GG_DATA_PATH_BYTES]);

/* Open the folder for the broker. On failure one line has been logged. */
GG_MUST_USE enum gg_err gg_data_open(const char *path,
                                     const struct gg_broker_settings *settings,
                                     struct gg_store **out_store);

/* Look at everything in it and say what is damaged: one line each on standard output.
 * Returns the exit status: 0 sound, 1 damaged. */
int gg_data_check(const char *path);

/* Write what is readable into the new folder `into`, and say what is lost. 1: something
 * is. */
int gg_data_repair(const char *path, const char *into);

/* Make the folder, which is missing or empty, from a backup. */
int gg_data_restore(const char *file, const char *path);

#endif
