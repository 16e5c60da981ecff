// An echo server on uWebSockets: the C++ stand-in for what can be had without Rust.
//
// usage: echo PORT [--broadcast | --topics | --threads | --two]
//
// Where it was built with zlib and OpenSSL also: echo PORT [--deflate KIND | --tls CERT KEY | --tls-low-memory CERT KEY]
// KIND is how compressors are kept: `shared`, or `dedicated`, which is 3 KB for each connection: whatever larger size is
// asked for, the upgrade in HttpResponse.h of this version makes it 3 KB. Decompressors are shared.

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "App.h"

struct Data {
    std::string topic;
    bool *open;
};

template <bool SSL>
struct Question {
    uWS::WebSocket<SSL, true, Data> *socket;
    bool *open;
    std::string message;
    uWS::OpCode opcode;
};

static std::mutex mutex;
static std::condition_variable changed;
template <bool SSL>
static std::deque<Question<SSL>> questions;

// Answers from a thread of its own, by the one way there is into the loop.
template <bool SSL>
static void answer(uWS::Loop *loop) {
    for (;;) {
        std::deque<Question<SSL>> taken;
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [] { return !questions<SSL>.empty(); });
            taken.swap(questions<SSL>);
        }
        for (auto &question : taken) {
            loop->defer([question = std::move(question)] {
                if (*question.open) question.socket->send(question.message, question.opcode);
            });
        }
    }
}

template <bool SSL>
static void run(int port, const char *flag, int compression, uWS::SocketContextOptions tls) {
    bool broadcast = !strcmp(flag, "--broadcast"), topics = !strcmp(flag, "--topics"), threads = !strcmp(flag, "--threads");
    int connections = 0;
    uWS::TemplatedApp<SSL> app(tls);
    app.template ws<Data>("/*", {
        .compression = (uWS::CompressOptions) compression,
        .maxPayloadLength = 2 * 1024 * 1024,
        .maxBackpressure = 64 * 1024 * 1024,
        .open = [&](auto *ws) {
            Data *data = ws->getUserData();
            data->open = threads ? new bool(true) : nullptr;
            if (broadcast) ws->subscribe("everybody");
            if (topics) ws->subscribe(data->topic = std::to_string(connections++ % 1000));
        },
        .message = [&](auto *ws, std::string_view message, uWS::OpCode opcode) {
            if (broadcast) app.publish("everybody", message, opcode);
            else if (topics) app.publish(ws->getUserData()->topic, message, opcode);
            else if (threads) {
                std::lock_guard lock(mutex);
                questions<SSL>.push_back({ws, ws->getUserData()->open, std::string(message), opcode});
                changed.notify_one();
            } else ws->send(message, opcode, compression != uWS::DISABLED);
        },
        .close = [&](auto *ws, int, std::string_view) {
            if (threads) *ws->getUserData()->open = false;
        },
    });
    app.listen("127.0.0.1", port, [](auto *socket) {
        if (!socket) exit(1);
    });
    if (threads) std::thread(answer<SSL>, uWS::Loop::get()).detach();
    app.run();
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    int port = atoi(argv[1]);
    const char *flag = argc > 2 ? argv[2] : "";
    const char *value = argc > 3 ? argv[3] : "";
    int deflate = uWS::DISABLED;
    if (!strcmp(flag, "--deflate")) {
        int compressor = !strcmp(value, "shared") ? uWS::SHARED_COMPRESSOR : uWS::DEDICATED_COMPRESSOR_3KB;
        deflate = compressor | uWS::SHARED_DECOMPRESSOR;
    }
#ifndef LIBUS_NO_SSL
    if (!strncmp(flag, "--tls", 5) && argc > 4) {
        bool low = !strcmp(flag, "--tls-low-memory");
        run<true>(port, flag, deflate, {.key_file_name = argv[4], .cert_file_name = value, .ssl_prefer_low_memory_usage = low});
        return 0;
    }
#endif
    // They share the port (SO_REUSEPORT).
    if (!strcmp(flag, "--two")) std::thread(run<false>, port, "", deflate, uWS::SocketContextOptions{}).detach();
    run<false>(port, flag, deflate, {});
}
