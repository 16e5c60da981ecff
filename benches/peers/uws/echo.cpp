// An echo server on uWebSockets: the C++ stand-in for what can be had without Rust.
//
// usage: echo PORT [--broadcast]

#include <cstdlib>
#include <cstring>

#include "App.h"

struct Data {};

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    bool broadcast = argc > 2 && !strcmp(argv[2], "--broadcast");
    uWS::App app;
    app.ws<Data>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 2 * 1024 * 1024,
        .maxBackpressure = 64 * 1024 * 1024,
        .open = [&](auto *ws) {
            if (broadcast) ws->subscribe("everybody");
        },
        .message = [&](auto *ws, std::string_view message, uWS::OpCode opcode) {
            if (broadcast) app.publish("everybody", message, opcode);
            else ws->send(message, opcode);
        },
    });
    app.listen("127.0.0.1", atoi(argv[1]), [](auto *socket) {
        if (!socket) exit(1);
    });
    app.run();
}
