/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-peer.h"

#include <curl/curl.h>
#include <errno.h>

int http_peer_copy(const HttpPeer *peer, HttpPeer *ret)
{
        HttpPeer p = { .insecure = peer->insecure, .no_proxy = peer->no_proxy };

        if (str_replace(&p.ca, peer->ca) < 0 || str_replace(&p.ca_file, peer->ca_file) < 0 ||
            str_replace(&p.client_certificate, peer->client_certificate) < 0 ||
            str_replace(&p.client_key, peer->client_key) < 0 ||
            str_replace(&p.server_name, peer->server_name) < 0) {
                http_peer_done(&p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

static void set_pem(CURL *easy, CURLoption option, const char *pem)
{
        struct curl_blob blob = { .data = (char *) pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY };

        curl_easy_setopt(easy, option, &blob);
}

void http_peer_apply(const HttpPeer *peer, void *easy)
{
        if (peer->no_proxy)
                curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
        if (peer->insecure) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
        if (peer->ca)
                set_pem(easy, CURLOPT_CAINFO_BLOB, peer->ca);
        else if (peer->ca_file)
                curl_easy_setopt(easy, CURLOPT_CAINFO, peer->ca_file);
        if (peer->ca || peer->ca_file)
                curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        if (peer->client_certificate && peer->client_key) {
                set_pem(easy, CURLOPT_SSLCERT_BLOB, peer->client_certificate);
                curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
                set_pem(easy, CURLOPT_SSLKEY_BLOB, peer->client_key);
                curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
        }
}

static void url_cleanup(CURLU **u)
{
        curl_url_cleanup(*u);
}

static int get_part(CURLU *u, CURLUPart part, char **ret)
{
        char *s = NULL, *copy;

        if (curl_url_get(u, part, &s, CURLU_DEFAULT_PORT) != CURLUE_OK)
                return -EINVAL;
        copy = strdup(s);
        curl_free(s);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int http_peer_rename(const HttpPeer *peer, const char *url, char **ret_url, char **ret_connect_to,
                     char **ret_host_header)
{
        _cleanup_free_ char *host = NULL, *port = NULL, *renamed = NULL, *connect_to = NULL, *header = NULL;
        _cleanup_(url_cleanup) CURLU *u = curl_url();
        int r;

        if (!u)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
                return -EINVAL;
        r = get_part(u, CURLUPART_HOST, &host);
        if (r < 0)
                return r;
        r = get_part(u, CURLUPART_PORT, &port);
        if (r < 0)
                return r;
        if (curl_url_set(u, CURLUPART_HOST, peer->server_name, 0) != CURLUE_OK)
                return -EINVAL;
        r = get_part(u, CURLUPART_URL, &renamed);
        if (r < 0)
                return r;
        connect_to = str_printf("::%s:%s", host, port);
        header = str_printf("Host: %s:%s", host, port);
        if (!connect_to || !header)
                return -ENOMEM;
        *ret_url = TAKE_PTR(renamed);
        *ret_connect_to = TAKE_PTR(connect_to);
        *ret_host_header = TAKE_PTR(header);
        return 0;
}

void http_peer_done(HttpPeer *peer)
{
        free(peer->ca);
        free(peer->ca_file);
        free(peer->client_certificate);
        str_erase_free(peer->client_key);
        free(peer->server_name);
        *peer = (HttpPeer){ 0 };
}
