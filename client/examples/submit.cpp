/* submit.cpp - submit a job from C++, wait for its end, print its result:
 * submit QUEUE TEXT */
#include <cstring>
#include <iostream>
#include <memory>
#include <string_view>

#include <ganger/client.h>

struct closer {
    void operator()(ganger *handle) const
    {
        ganger_close(&handle);
    }
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: submit QUEUE TEXT\n";
        return 64;
    }
    ganger *opened = nullptr;
    ganger_err err = ganger_open(nullptr, &opened);
    std::unique_ptr<ganger, closer> handle(opened);

    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = argv[1];
    submission.payload = {argv[2], std::strlen(argv[2])};
    ganger_job job;
    if (err == GANGER_OK) {
        err = ganger_connect(handle.get(), 3000);
    }
    if (err == GANGER_OK) {
        err = ganger_run(handle.get(), &submission, 10000, &job);
    }
    if (err != GANGER_OK) {
        std::cerr << "submit: " << ganger_last_error(handle.get()) << '\n';
        return ganger_err_exit(err);
    }
    if (job.state != GANGER_SUCCEEDED) {
        std::cerr << "submit: " << ganger_state_name(job.state) << ": "
                  << job.error_text << '\n';
        return 1;
    }
    std::cout << std::string_view(static_cast<const char *>(job.result.data),
                                  job.result.len);
    return 0;
}
