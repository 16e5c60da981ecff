// An echo server on uWebSockets: the C++ stand-in for what can be had without Rust.
//
// usage: echo PORT [--broadcast | --topics | --threads | --two]

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

using Socket = uWS::WebSocket<false, true, Data>;

struct Question {
    Socket *socket;
    bool *open;
    std::string message;
    uWS::OpCode opcode;
};

static std::mutex mutex;
static std::condition_variable changed;
static std::deque<Question> questions;

// Answers from a thread of its own, by the one way there is into the loop.
static void answer(uWS::Loop *loop) {
    for (;;) {
        std::deque<Question> taken;
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [] { return !questions.empty(); });
            taken.swap(questions);
        }
        for (auto &question : taken) {
            loop->defer([question = std::move(question)] {
                if (*question.open) question.socket->send(question.message, question.opcode);
            });
        }
    }
}

static void run(int port, const char *flag) {
    bool broadcast = !strcmp(flag, "--broadcast"), topics = !strcmp(flag, "--topics"), threads = !strcmp(flag, "--threads");
    int connections = 0;
    uWS::App app;
    app.ws<Data>("/*", {
        .compression = uWS::DISABLED,
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
                questions.push_back({ws, ws->getUserData()->open, std::string(message), opcode});
                changed.notify_one();
            } else ws->send(message, opcode);
        },
        .close = [&](auto *ws, int, std::string_view) {
            if (threads) *ws->getUserData()->open = false;
        },
    });
    app.listen("127.0.0.1", port, [](auto *socket) {
        if (!socket) exit(1);
    });
    if (threads) std::thread(answer, uWS::Loop::get()).detach();
    app.run();
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    int port = atoi(argv[1]);
    const char *flag = argc > 2 ? argv[2] : "";
    // They share the port (SO_REUSEPORT).
    if (!strcmp(flag, "--two")) std::thread(run, port, "").detach();
    run(port, flag);
}
