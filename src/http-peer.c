/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-noproxy.h"
#include "http-peer.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <strings.h>

/* The certificate of one PEM block, NULL if it is none that can be read. */
static X509 *read_certificate(const char *name, const char *header, const unsigned char *data, long size)
{
        return streq(name, "CERTIFICATE") && !*header ? d2i_X509(NULL, &data, size) : NULL;
}

/* As Go does it, and so kubectl: any certificate is an anchor, an intermediate one too, and whatever cannot
 * be read is passed over. */
static void add_certificates(X509_STORE *store, BIO *bio)
{
        char *name, *header;
        unsigned char *data;
        long size;

        for (;;) {
                X509 *x;

                if (!PEM_read_bio(bio, &name, &header, &data, &size)) {
                        if (BIO_eof(bio) || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
                                break;
                        ERR_clear_error();
                        continue;
                }
                x = read_certificate(name, header, data, size);
                if (x)
                        (void) X509_STORE_add_cert(store, x);
                X509_free(x);
                OPENSSL_free(name);
                OPENSSL_free(header);
                OPENSSL_free(data);
        }
        ERR_clear_error();
}

static X509_STORE *make_trust(const char *pem)
{
        X509_STORE *store = X509_STORE_new();
        BIO *bio = BIO_new_mem_buf(pem, -1);

        if (store && bio) {
                (void) X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
                add_certificates(store, bio);
        } else {
                X509_STORE_free(store);
                store = NULL;
        }
        BIO_free(bio);
        return store;
}

int http_peer_copy(const HttpPeer *peer, HttpPeer *ret)
{
        HttpPeer p = {
                .insecure = peer->insecure,
                .no_proxy = peer->no_proxy,
                .remote_names = peer->remote_names,
        };

        if (peer->ca) {
                p.trust = make_trust(peer->ca);
                if (!p.trust)
                        return -ENOMEM;
        }
        if (str_replace(&p.ca_file, peer->ca_file) < 0 ||
            str_replace(&p.client_certificate, peer->client_certificate) < 0 ||
            str_replace(&p.client_key, peer->client_key) < 0 || str_replace(&p.proxy, peer->proxy) < 0 ||
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

static CURLcode on_ssl_ctx(CURL *easy, void *context, void *userdata)
{
        SSL_CTX_set1_cert_store(context, userdata);
        return CURLE_OK;
}

/* CURLOPT_CAINFO_BLOB is younger than the libcurl of RHEL 9, and is parsed for each connection. */
static void set_trust(const HttpPeer *peer, CURL *easy)
{
        if (!peer->trust && !peer->ca_file)
                return;
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO, peer->trust ? NULL : peer->ca_file);
        if (!peer->trust)
                return;
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
        /* It is called for both. */
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, peer->trust);
}

static void set_client_certificate(const HttpPeer *peer, CURL *easy)
{
        set_pem(easy, CURLOPT_SSLCERT_BLOB, peer->client_certificate);
        curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
        set_pem(easy, CURLOPT_SSLKEY_BLOB, peer->client_key);
        curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
        set_pem(easy, CURLOPT_PROXY_SSLCERT_BLOB, peer->client_certificate);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSLCERTTYPE, "PEM");
        set_pem(easy, CURLOPT_PROXY_SSLKEY_BLOB, peer->client_key);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSLKEYTYPE, "PEM");
}

/* It is libcurl's to find them and their exceptions. */
static void set_remote_names(CURL *easy)
{
        const char *proxy = getenv("https_proxy"), *rest;
        _cleanup_erase_ char *changed = NULL;

        if (!proxy)
                proxy = getenv("HTTPS_PROXY");
        rest = proxy ? startswith(proxy, "socks5://") : NULL;
        if (!rest)
                return;
        changed = str_printf("socks5h://%s", rest);
        if (changed)
                curl_easy_setopt(easy, CURLOPT_PROXY, changed);
}

static bool is_https(const char *url)
{
        return url && strncasecmp(url, "https://", 8) == 0;
}

static bool has_https_proxy(const HttpPeer *peer)
{
        static const char *const variables[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
        bool found = is_https(peer->proxy);

        for (size_t i = 0; !found && !peer->proxy && !peer->no_proxy && i < ELEMENTSOF(variables); i++)
                found = is_https(getenv(variables[i]));
        return found;
}

static void set_proxy(const HttpPeer *peer, CURL *easy)
{
        /* What TLS within TLS has read and not handed on wakes no other transfer of the connection (seen with
         * libcurl 7.88): with HTTP/2 an answer that came together with another one would be waited for until
         * its time is up. */
        if (has_https_proxy(peer))
                curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        if (peer->remote_names && !peer->proxy && !peer->no_proxy)
                set_remote_names(easy);
        if (peer->proxy)
                curl_easy_setopt(easy, CURLOPT_PROXY, peer->proxy);
        /* "": the environment's exceptions are for its own proxies. */
        if (peer->proxy || peer->no_proxy)
                curl_easy_setopt(easy, CURLOPT_NOPROXY, peer->proxy ? "" : "*");
}

void http_peer_apply(const HttpPeer *peer, void *easy)
{
        set_proxy(peer, easy);
        if (peer->insecure) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
                curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
        }
        set_trust(peer, easy);
        if (peer->client_certificate && peer->client_key)
                set_client_certificate(peer, easy);
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
        _cleanup_free_ char *host = NULL, *port = NULL, *name = NULL;
        _cleanup_free_ char *renamed = NULL, *connect_to = NULL, *header = NULL;
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
        name = str_printf(strchr(peer->server_name, ':') ? "[%s]" : "%s", peer->server_name);
        if (!name)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_HOST, name, 0) != CURLUE_OK)
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

int http_peer_apply_exceptions(const HttpPeer *peer, const char *url, void *easy)
{
        const char *list = getenv("no_proxy");
        _cleanup_(url_cleanup) CURLU *u = curl_url();
        _cleanup_free_ char *host = NULL;
        size_t n;
        int r;

        if (!u)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
                return -EINVAL;
        r = get_part(u, CURLUPART_HOST, &host);
        if (r < 0 || peer->proxy || peer->no_proxy)
                return r;
        n = strlen(host);
        if (*host == '[') {
                host[n - 1] = '\0';
                memmove(host, host + 1, n - 1);
        }
        curl_easy_setopt(easy, CURLOPT_NOPROXY,
                         http_noproxy_matches(list ? list : getenv("NO_PROXY"), host) ? "*" : "");
        return 0;
}

void http_peer_done(HttpPeer *peer)
{
        X509_STORE_free(peer->trust);
        free(peer->ca_file);
        free(peer->client_certificate);
        str_erase_free(peer->client_key);
        str_erase_free(peer->proxy);
        free(peer->server_name);
        *peer = (HttpPeer){ 0 };
}
