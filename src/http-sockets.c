/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-sockets.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A cut network is noticed after 45 s: by probes when nothing is sent, by TCP_USER_TIMEOUT when what is sent
 * is not acknowledged. */
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 45000

void http_sockets_init(HttpSockets *s)
{
        for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
                s->fds[i] = -1;
}

static curl_socket_t on_open(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
        static const struct {
                int level, option, value;
        } options[] = {
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
                { IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
                { IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
                { IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
        };
        HttpSockets *s = userdata;
        int fd;

        fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
        if (fd < 0)
                return CURL_SOCKET_BAD;
        if (address->socktype == SOCK_STREAM && address->family != AF_UNIX)
                for (size_t i = 0; i < ELEMENTSOF(options); i++)
                        (void) setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                                          sizeof(int));
        for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
                if (s->fds[i] < 0) {
                        s->fds[i] = fd;
                        break;
                }
        return fd;
}

static int on_close(void *userdata, curl_socket_t fd)
{
        HttpSockets *s = userdata;

        for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
                if (s->fds[i] == fd)
                        s->fds[i] = -1;
        return close(fd);
}

void http_sockets_apply(HttpSockets *s, void *easy)
{
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
}

void http_sockets_shutdown(const HttpSockets *s)
{
        for (size_t i = 0; i < HTTP_SOCKETS_MAX; i++)
                if (s->fds[i] >= 0)
                        (void) shutdown(s->fds[i], SHUT_RDWR);
}
