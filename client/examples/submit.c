/* submit.c - submit a job, wait for its end, print its result: submit QUEUE TEXT */
#include <stdio.h>
#include <string.h>

#include <ganger/client.h>

static int fail(const ganger *handle, ganger_err err)
{
    fprintf(stderr, "submit: %s\n", ganger_last_error(handle));
    return ganger_err_exit(err);
}

int main(int argc, char **argv)
{
    ganger_submission submission = GANGER_SUBMIT_INIT;
    ganger *handle = NULL;
    ganger_job job;
    if (argc != 3) {
        fprintf(stderr, "usage: submit QUEUE TEXT\n");
        return 64;
    }
    submission.queue = argv[1];
    submission.payload = (ganger_bytes){argv[2], strlen(argv[2])};

    ganger_err err = ganger_open(NULL, &handle);
    if (err == GANGER_OK) {
        err = ganger_connect(handle, 3000);
    }
    if (err == GANGER_OK) {
        err = ganger_run(handle, &submission, 10000, &job);
    }
    int status = 1;
    if (err != GANGER_OK) {
        status = fail(handle, err);
    } else if (job.state == GANGER_SUCCEEDED) {
        fwrite(job.result.data, 1, job.result.len, stdout);
        status = 0;
    } else {
        fprintf(stderr, "submit: %s: %s\n", ganger_state_name(job.state),
                job.error_text);
    }
    ganger_close(&handle);
    return status;
}
