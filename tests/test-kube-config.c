/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-config.h"

#include "buf.h"
#include "json.h"
#include "pem-fixtures.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define NOBODY 65534
#define SECRET "s3cr3t"

#define CA PEM_CA
#define CA_DATA PEM_CA_DATA
#define CERT PEM_CERT
#define CERT_DATA PEM_CERT_DATA
#define KEY PEM_KEY
#define KEY_DATA PEM_KEY_DATA
#define LOCKED_KEY_DATA                                                                                     \
        "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQpabUZyWlE9PQotLS0tLUVORCBFTkNSWVBURUQgUFJJVkFUR" \
        "SBLRVktLS0tLQo="

#define CONTEXT "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
#define CONFIG(cluster, user)                                                                               \
        CONTEXT "clusters: [{name: k, cluster: " cluster "}]\nusers: [{name: u, user: " user "}]\n"
#define SERVER "{server: 'https://k:6443'}"
#define USER "{token: " SECRET "}"
#define EXEC "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: x}"
#define CLIENT_DATA "client-certificate-data: " CERT_DATA ", client-key-data: " KEY_DATA

static char directory[] = "/tmp/test-kube-config-XXXXXX";

static int set_up(void **state)
{
        json_setup();
        return mkdtemp(directory) && chmod(directory, 0755) == 0 && chdir(directory) == 0 ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int tear_down(void **state)
{
        return chdir("/") == 0 && nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

/* The tests stand in their own directory. */
static void write_file(const char *name, const char *text)
{
        FILE *f = fopen(name, "we");

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
        assert_int_equal(fclose(f), 0);
}

static KubeConfig *parsed_sized(const char *text, size_t size, const char *context)
{
        KubeConfigError error = { "" };
        KubeConfig *c = NULL;

        if (kube_config_parse(text, size, "/d/f", directory, context, &c, &error) < 0)
                fail_msg("refused: %s\n%s", error.text, text);
        assert_string_equal(error.text, "");
        return c;
}

static KubeConfig *parsed(const char *text)
{
        return parsed_sized(text, strlen(text), NULL);
}

static void check_refused_sized(const char *text, size_t size, const char *context, int expected,
                                const char *message)
{
        KubeConfig *c = NULL;
        KubeConfigError error;
        int r;

        memset(&error, 'x', sizeof(error));
        r = kube_config_parse(text, size, "/d/f", directory, context, &c, &error);
        if (r >= 0)
                fail_msg("not refused: %s", text);
        assert_string_equal(error.text, message);
        assert_int_equal(r, expected);
        assert_null(c);
        assert_null(strstr(error.text, SECRET));
}

static void check_refused(const char *text, int expected, const char *message)
{
        check_refused_sized(text, strlen(text), NULL, expected, message);
}

/* The files of the last one that was loaded or refused. */
static char **noted;

static KubeConfig *loaded(const char *path, const char *list, const char *home, const char *context)
{
        KubeConfigError error = { "" };
        KubeConfig *c = NULL;

        noted = words_free(noted);
        if (kube_config_load(path, list, home, context, &c, &noted, &error) < 0)
                fail_msg("refused: %s", error.text);
        assert_string_equal(error.text, "");
        return c;
}

static void check_load_refused(const char *path, const char *list, const char *home, const char *context,
                               int expected, const char *message)
{
        KubeConfigError error = { "" };
        KubeConfig *c = NULL;
        int r;

        noted = words_free(noted);
        r = kube_config_load(path, list, home, context, &c, &noted, &error);
        assert_string_equal(error.text, message);
        assert_int_equal(r, expected);
        assert_null(c);
}

static void check_string(const char *value, const char *expected)
{
        if (!expected)
                assert_null(value);
        else {
                assert_non_null(value);
                assert_string_equal(value, expected);
        }
}

typedef struct Refusal {
        const char *text;
        int error;
        const char *message;
} Refusal;

static void check_refusals(const Refusal *refusals, size_t n)
{
        for (size_t i = 0; i < n; i++)
                check_refused(refusals[i].text, refusals[i].error, refusals[i].message);
}

/* Kubeconfigs as they are found. */

static void test_kubeadm(void **state)
{
        static const char text[] = "apiVersion: v1\n"
                                   "clusters:\n"
                                   "- cluster:\n"
                                   "    certificate-authority-data: " CA_DATA "\n"
                                   "    server: https://10.0.0.10:6443\n"
                                   "  name: kubernetes\n"
                                   "contexts:\n"
                                   "- context:\n"
                                   "    cluster: kubernetes\n"
                                   "    user: kubernetes-admin\n"
                                   "  name: kubernetes-admin@kubernetes\n"
                                   "current-context: kubernetes-admin@kubernetes\n"
                                   "kind: Config\n"
                                   "preferences: {}\n"
                                   "users:\n"
                                   "- name: kubernetes-admin\n"
                                   "  user:\n"
                                   "    client-certificate-data: " CERT_DATA "\n"
                                   "    client-key-data: " KEY_DATA "\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->context, "kubernetes-admin@kubernetes");
        check_string(c->server, "https://10.0.0.10:6443");
        check_string(c->ca, CA);
        check_string(c->client_certificate, CERT);
        check_string(c->client_key, KEY);
        check_string(c->token, NULL);
        check_string(c->token_file, NULL);
        check_string(c->tls_server_name, NULL);
        assert_false(c->insecure_skip_tls_verify);
}

static void test_k3s_data(void **state)
{
        static const char text[] = "apiVersion: v1\n"
                                   "clusters:\n"
                                   "- cluster:\n"
                                   "    certificate-authority-data: " CA_DATA "\n"
                                   "    server: https://127.0.0.1:6443\n"
                                   "  name: default\n"
                                   "contexts:\n"
                                   "- context: {cluster: default, user: default}\n"
                                   "  name: default\n"
                                   "current-context: default\n"
                                   "kind: Config\n"
                                   "users:\n"
                                   "- name: default\n"
                                   "  user:\n"
                                   "    client-certificate-data: " CERT_DATA "\n"
                                   "    client-key-data: " KEY_DATA "\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->context, "default");
        check_string(c->server, "https://127.0.0.1:6443");
        check_string(c->client_certificate, CERT);
}

/* cred/admin.kubeconfig: paths instead of data. */
static void test_k3s_files(void **state)
{
        static const char text[] =
                "apiVersion: v1\n"
                "clusters:\n"
                "- cluster: {server: \"https://127.0.0.1:6444\", certificate-authority: tls/ca.crt}\n"
                "  name: local\n"
                "contexts:\n"
                "- context: {cluster: local, namespace: default, user: user}\n"
                "  name: Default\n"
                "current-context: Default\n"
                "kind: Config\n"
                "users:\n"
                "- name: user\n"
                "  user: {client-certificate: ./tls/admin.crt, client-key: tls/../tls/admin.key}\n";
        _cleanup_(kube_config_freep) KubeConfig *c = NULL;

        assert_int_equal(mkdir("tls", 0700), 0);
        write_file("tls/ca.crt", CA CA);
        write_file("tls/admin.crt", CERT);
        write_file("tls/admin.key", KEY);
        c = parsed(text);
        check_string(c->ca, CA CA);
        check_string(c->client_certificate, CERT);
        check_string(c->client_key, KEY);
}

static void test_aks(void **state)
{
        static const char text[] = "apiVersion: v1\n"
                                   "clusters:\n"
                                   "- cluster:\n"
                                   "    certificate-authority-data: " CA_DATA "\n"
                                   "    server: https://x-1a2b.hcp.westeurope.azmk8s.io:443\n"
                                   "  name: x\n"
                                   "contexts:\n"
                                   "- context:\n"
                                   "    cluster: x\n"
                                   "    user: clusterAdmin_g_x\n"
                                   "  name: x-admin\n"
                                   "current-context: x-admin\n"
                                   "kind: Config\n"
                                   "preferences: {}\n"
                                   "users:\n"
                                   "- name: clusterAdmin_g_x\n"
                                   "  user:\n"
                                   "    client-certificate-data: " CERT_DATA "\n"
                                   "    client-key-data: " KEY_DATA "\n"
                                   "    token: 0123456789abcdef\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->server, "https://x-1a2b.hcp.westeurope.azmk8s.io:443");
        check_string(c->client_certificate, CERT);
        check_string(c->client_key, KEY);
        check_string(c->token, "0123456789abcdef");
}

static void test_rancher(void **state)
{
        static const char text[] = "apiVersion: v1\n"
                                   "kind: Config\n"
                                   "clusters:\n"
                                   "- name: \"prod\"\n"
                                   "  cluster:\n"
                                   "    server: \"https://rancher.example.com/k8s/clusters/c-m-abcd\"\n"
                                   "- name: \"prod-node\"\n"
                                   "  cluster:\n"
                                   "    server: \"https://10.1.1.1:6443\"\n"
                                   "    certificate-authority-data: \"" CA_DATA "\\\n"
                                   "      \"\n"
                                   "users:\n"
                                   "- name: \"prod\"\n"
                                   "  user:\n"
                                   "    token: \"kubeconfig-u-abcde:fghij\"\n"
                                   "contexts:\n"
                                   "- name: \"prod\"\n"
                                   "  context:\n"
                                   "    user: \"prod\"\n"
                                   "    cluster: \"prod\"\n"
                                   "- name: \"prod-node\"\n"
                                   "  context:\n"
                                   "    user: \"prod\"\n"
                                   "    cluster: \"prod-node\"\n"
                                   "current-context: \"prod\"\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);
        _cleanup_(kube_config_freep) KubeConfig *node = parsed_sized(text, strlen(text), "prod-node");

        check_string(c->server, "https://rancher.example.com/k8s/clusters/c-m-abcd");
        check_string(c->ca, NULL);
        check_string(c->token, "kubeconfig-u-abcde:fghij");
        check_string(node->context, "prod-node");
        check_string(node->server, "https://10.1.1.1:6443");
        check_string(node->ca, CA);
}

static void test_eks(void **state)
{
        static const char text[] = "apiVersion: v1\n"
                                   "clusters:\n"
                                   "- cluster:\n"
                                   "    certificate-authority-data: " CA_DATA "\n"
                                   "    server: https://0123.gr7.eu-central-1.eks.amazonaws.com\n"
                                   "  name: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "contexts:\n"
                                   "- context:\n"
                                   "    cluster: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "    user: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "  name: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "current-context: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "kind: Config\n"
                                   "preferences: {}\n"
                                   "users:\n"
                                   "- name: arn:aws:eks:eu-central-1:111122223333:cluster/prod\n"
                                   "  user:\n"
                                   "    exec:\n"
                                   "      apiVersion: client.authentication.k8s.io/v1beta1\n"
                                   "      args: [--region, eu-central-1, eks, get-token, --cluster-name, "
                                   "prod, --output, json]\n"
                                   "      command: aws\n";

        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        assert_non_null(c->exec);
        check_string(c->exec->api_version, "client.authentication.k8s.io/v1beta1");
        check_string(c->exec->command, "aws");
        check_string(c->exec->args[0], "--region");
        check_string(c->exec->args[7], "json");
        assert_null(c->exec->args[8]);
        assert_null(c->exec->env[0]);
        check_string(c->exec->cluster, NULL);
        check_string(c->token, NULL);
}

static void test_gke(void **state)
{
        static const char text[] =
                "apiVersion: v1\n"
                "clusters:\n"
                "- cluster:\n"
                "    certificate-authority-data: " CA_DATA "\n"
                "    server: https://34.1.2.3\n"
                "  name: gke_p_z_c\n"
                "contexts:\n"
                "- context: {cluster: gke_p_z_c, user: gke_p_z_c}\n"
                "  name: gke_p_z_c\n"
                "current-context: gke_p_z_c\n"
                "kind: Config\n"
                "users:\n"
                "- name: gke_p_z_c\n"
                "  user:\n"
                "    exec:\n"
                "      apiVersion: client.authentication.k8s.io/v1beta1\n"
                "      command: gke-gcloud-auth-plugin\n"
                "      installHint: Install gke-gcloud-auth-plugin for use with kubectl by following\n"
                "        https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl\n"
                "      provideClusterInfo: true\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->exec->command, "gke-gcloud-auth-plugin");
        assert_non_null(startswith(c->exec->install_hint, "Install gke-gcloud-auth-plugin for use"));
        check_string(c->exec->cluster,
                     "{\"server\":\"https://34.1.2.3\",\"certificate-authority-data\":\"" CA_DATA "\"}");
}

static void test_json(void **state)
{
        /* Tabs and \/ are what libyaml does not take. */
        static const char text[] =
                "\n{\t\"kind\": \"Config\", \"apiVersion\": \"v1\",\n"
                "\t\"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": \"https:\\/\\/k:6443\",\n"
                "\t\t\"insecure-skip-tls-verify\": true, \"extensions\": [{\"name\": \"x\", \"n\": "
                "1.5}]}}],\n"
                "\t\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\\u0041\", \"client-key\": "
                "null}}],\n"
                "\t\"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"k\", \"user\": \"u\"}}],\n"
                "\t\"current-context\": \"c\"\n}\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->server, "https://k:6443");
        check_string(c->token, "tA");
        assert_true(c->insecure_skip_tls_verify);
}

static void test_json_types(void **state)
{
        check_refused("{\"contexts\": 3}", -EINVAL, "/d/f: contexts is not a list");
        check_refused("{\"contexts\": [{\"name\": 3}]}", -EINVAL,
                      "/d/f: entry 1 of contexts: its name is not text, as there are no quotes around it");
        check_refused("{\"current-context\": true, \"contexts\": [{\"name\": \"c\"}]}", -EINVAL,
                      "/d/f: current-context is not text, as there are no quotes around it");
        check_refused("{\"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": 3}}], "
                      "\"current-context\": \"c\"}",
                      -EINVAL, "/d/f: context \"c\": cluster is not text, as there are no quotes around it");
        check_refused("{\"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": \"https://k\", "
                      "\"insecure-skip-tls-verify\": 1}}], "
                      "\"contexts\": "
                      "[{\"name\": \"c\", \"context\": {\"cluster\": \"k\"}}], \"current-context\": \"c\"}",
                      -EINVAL, "/d/f: cluster \"k\": insecure-skip-tls-verify is neither true nor false");
}

/* YAML in braces looks like JSON at first. */
static void test_flow_yaml(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed("{current-context: c, contexts: [{name: c, context: {cluster: k}}],\n"
                       "clusters: [{name: k, cluster: {server: 'https://k'}}]}\n");

        check_string(c->server, "https://k");
        check_string(c->token, NULL);
        check_refused("{\"contexts\": [],\n \"users\" []}", -EINVAL,
                      "/d/f: not JSON from line 2, column 10 on; as YAML, line 2, column 10: did not find "
                      "expected ',' "
                      "or '}'");
}

/* What YAML leaves to the reader. */

static void test_only_first_document(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed("%YAML 1.1\n---\n" CONFIG(SERVER, USER) "---\ncurrent-context: d\n--- [\n");

        check_string(c->context, "c");
}

static void test_bom_and_crlf(void **state)
{
        static const char text[] = "\xef\xbb\xbf"
                                   "current-context: c\r\ncontexts: [{name: c, context: {cluster: k}}]\r\n"
                                   "clusters: [{name: k, cluster: {server: 'https://k'}}]\r\n";
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

        check_string(c->server, "https://k");
}

static void test_null_is_unset(void **state)
{
        static const char *const nulls[] = { "null", "Null", "NULL", "~", "", "''", "[]", "{}" };

        for (size_t i = 0; i < ELEMENTSOF(nulls); i++) {
                _cleanup_free_ char *text = str_printf(
                        CONTEXT
                        "clusters:\n- name: k\n  cluster:\n    server: https://k\n    proxy-url: %1$s\n"
                        "    certificate-authority: %1$s\n    certificate-authority-data: %1$s\n"
                        "    insecure-skip-tls-verify: %1$s\n    tls-server-name: %1$s\n"
                        "users:\n- name: u\n  user:\n    token: %1$s\n    tokenFile: %1$s\n"
                        "    username: %1$s\n    password: %1$s\n    as: %1$s\n"
                        "    client-key: %1$s\n    client-certificate-data: %1$s\npreferences: %1$s\n"
                        "apiVersion: %1$s\nkind: %1$s\n",
                        nulls[i]);
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

                check_string(c->server, "https://k");
                check_string(c->ca, NULL);
                check_string(c->token, NULL);
                check_string(c->token_file, NULL);
                check_string(c->tls_server_name, NULL);
                assert_false(c->insecure_skip_tls_verify);
        }
}

/* Quoted, it is a name as any other. */
static void test_quoted_null_is_text(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(CONFIG(SERVER, "{token: 'null'}"));

        check_string(c->token, "null");
}

static void test_booleans(void **state)
{
        static const struct {
                const char *text;
                bool value;
        } booleans[] = {
                { "true", true }, { "True", true },   { "TRUE", true }, { "yes", true },  { "on", true },
                { "y", true },    { "false", false }, { "no", false },  { "Off", false }, { "n", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(booleans); i++) {
                _cleanup_free_ char *text =
                        str_printf(CONFIG("{server: 'https://k', insecure-skip-tls-verify: %s}", USER),
                                   booleans[i].text);
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

                assert_int_equal(c->insecure_skip_tls_verify, booleans[i].value);
        }
        check_refused(CONFIG("{server: 'https://k', insecure-skip-tls-verify: 1}", USER), -EINVAL,
                      "/d/f: cluster \"k\": insecure-skip-tls-verify is neither true nor false");
        check_refused(CONFIG("{server: 'https://k', insecure-skip-tls-verify: 'true'}", USER), -EINVAL,
                      "/d/f: cluster \"k\": insecure-skip-tls-verify is neither true nor false, but text");
}

/* As kubectl takes them. */
static void test_aliases_and_merge_keys(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed("x-base: &base {server: 'https://base', tls-server-name: base}\n"
                       "x-more: &more {tls-server-name: more, insecure-skip-tls-verify: yes}\n"
                       "x-user: &user\n  token: abc\n" CONTEXT
                       "clusters: [{name: k, cluster: {<<: [*base, *more], server: 'https://k'}}]\n"
                       "users:\n- name: u\n  user: *user\n");

        check_string(c->server, "https://k");
        check_string(c->tls_server_name, "base");
        check_string(c->token, "abc");
        assert_true(c->insecure_skip_tls_verify);
}

static void test_last_of_repeated_keys(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed(CONFIG("{server: 'https://k1', server: 'https://k2'}", USER));

        check_string(c->server, "https://k2");
}

static void test_data_with_line_breaks(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(10000);
        static const char data[] = CA_DATA;

        assert_int_equal(buf_append_str(&b,
                                        CONTEXT "users: [{name: u, user: " USER "}]\n"
                                                "clusters:\n- name: k\n  cluster:\n    server: https://k\n"
                                                "    certificate-authority-data: |\n"),
                         0);
        for (size_t i = 0; i < strlen(data); i += 64)
                assert_int_equal(buf_printf(&b, "      %.64s%s\n", data + i, i == 64 ? "\r" : ""), 0);
        assert_int_equal(buf_append_str(&b, "\n"), 0);
        {
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(buf_str(&b));

                check_string(c->ca, CA);
        }
}

static void test_bad_yaml(void **state)
{
        static const Refusal refusals[] = {
                { "contexts:\n\t- name: c\n", -EINVAL,
                  "/d/f: line 2, column 1: found character that cannot start any token (YAML is not "
                  "indented with tabs)" },
                { "a: b: c\n", -EINVAL,
                  "/d/f: line 1, column 5: mapping values are not allowed in this context" },
                { "contexts:\n- name: c\n context: {}\n", -EINVAL,
                  "/d/f: line 3, column 2: did not find expected key" },
                { "a: \"b\n", -EINVAL, "/d/f: line 2, column 1: found unexpected end of stream" },
                { "a: [b\n", -EINVAL, "/d/f: line 2, column 1: did not find expected ',' or ']'" },
                { "a: b\n]\n", -EINVAL, "/d/f: line 2, column 1: did not find expected key" },
                { "{} x\n", -EINVAL, "/d/f: line 1, column 4: did not find expected <document start>" },
                { "a: \xff\n", -EINVAL, "/d/f: byte 4: invalid leading UTF-8 octet" },
                { "a: \x01\n", -EINVAL, "/d/f: byte 4: control characters are not allowed" },
                { "a: \"x\\0y\"\n", -EINVAL,
                  "/d/f: line 1, column 4: there is a NUL character in the text" },
                { "a: *b\n", -EINVAL, "/d/f: line 1, column 4: the alias has no anchor before it" },
                { "a: &b [*b]\n", -EINVAL, "/d/f: line 1, column 8: the alias has no anchor before it" },
                { "? [a]\n: b\n", -EINVAL, "/d/f: line 1, column 3: the key is not plain text" },
                { "a\n", -EINVAL, "/d/f is not a kubeconfig: there are no fields in it" },
                { "- a\n", -EINVAL, "/d/f is not a kubeconfig: there are no fields in it" },
                { "apiVersion: v1\nkind: Secret\n", -EINVAL,
                  "/d/f is not a kubeconfig: its kind is not Config" },
                { "apiVersion: v2\n", -EINVAL, "/d/f is not a kubeconfig: its apiVersion is not v1" },
        };

        check_refusals(refusals, ELEMENTSOF(refusals));
}

static void test_nul_bytes(void **state)
{
        static const char text[] = "a: b\0c\n";

        check_refused_sized(text, sizeof(text) - 1, NULL, -EINVAL,
                            "/d/f: byte 5: control characters are not allowed");
}

/* Caps. */

/* CPU time, as the machine may be busy. What this guards against takes minutes, or for ever; sanitizers and
 * valgrind make everything slower by some factor. */
#define QUICK_SECONDS 15

static void check_quick(clock_t start)
{
        assert_true(clock() - start < QUICK_SECONDS * CLOCKS_PER_SEC);
}

/* Where exactly it is too much depends on the size of a pointer. */
static void check_too_large(const Buf *b)
{
        clock_t start = clock();
        KubeConfigError error;
        KubeConfig *c;

        assert_int_equal(kube_config_parse(b->data, b->size, "/d/f", "/d", NULL, &c, &error), -EMSGSIZE);
        assert_non_null(startswith(error.text, "/d/f: line "));
        assert_non_null(strstr(error.text, ": it takes more than 32 MiB, with its aliases expanded"));
        check_quick(start);
}

static void test_alias_bomb(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(4096);

        assert_int_equal(buf_append_str(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"), 0);
        for (int i = 1; i < 20; i++) {
                assert_int_equal(buf_printf(&b, "a%d: &a%d [x", i, i), 0);
                for (int j = 0; j < 9; j++)
                        assert_int_equal(buf_printf(&b, ",*a%d", i - 1), 0);
                assert_int_equal(buf_append_str(&b, "]\n"), 0);
        }
        check_too_large(&b);
}

/* Few values, but long ones. */
static void test_alias_bomb_of_text(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(2U * 1024 * 1024);

        assert_int_equal(buf_append_str(&b, "a: &a "), 0);
        for (int i = 0; i < 65536; i++)
                assert_int_equal(buf_append_str(&b, "0123456789abcdef"), 0);
        assert_int_equal(buf_append_str(&b, "\nb: ["), 0);
        for (int i = 0; i < 10000; i++)
                assert_int_equal(buf_append_str(&b, "*a,"), 0);
        assert_int_equal(buf_append_str(&b, "]\n"), 0);
        check_too_large(&b);
}

/* No alias, but more values than there is a use for. */
static void test_many_values(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_CONFIG_SIZE_MAX);

        for (int i = 0; i < 1000000; i++)
                assert_int_equal(buf_append_str(&b, "- a\n"), 0);
        check_too_large(&b);
}

static char *repeated(const char *s, size_t n)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_CONFIG_SIZE_MAX);
        char *text;

        for (size_t i = 0; i < n; i++)
                assert_int_equal(buf_append_str(&b, s), 0);
        text = buf_steal(&b);
        assert_non_null(text);
        return text;
}

/* Each of these takes libyaml's own loader minutes or hundreds of MB. */
static void test_caps(void **state)
{
        static const struct {
                const char *piece;
                size_t n;
                const char *message;
        } caps[] = {
                { "[", 1000000, "/d/f: line 1, column 66: it is nested more than 64 deep" },
                { "- ", 1000000, "/d/f: line 1, column 131: it is nested more than 64 deep" },
                { "{a: ", 10000,
                  "/d/f: not JSON from line 1, column 3 on; as YAML, line 1, column 258: it is nested more "
                  "than 64 deep" },
                { "{\"a\":", 2000,
                  "/d/f: not JSON from line 1, column 5001 on; as YAML, line 1, column 322: it is nested "
                  "more than 64 deep" },
                { "- &a x\n", 500000, "/d/f: line 257, column 3: there are more than 256 anchors" },
                { "{\"a\":[", 650000, "/d/f: it takes more than 32 MiB" },
        };

        for (size_t i = 0; i < ELEMENTSOF(caps); i++) {
                _cleanup_free_ char *text = repeated(caps[i].piece, caps[i].n);
                clock_t start = clock();

                check_refused(text, -EMSGSIZE, caps[i].message);
                check_quick(start);
        }
}

/* A chain of aliases grows deep with little text. */
static void test_deep_aliases(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(65536);

        assert_int_equal(buf_append_str(&b, "a0: &a0 x\n"), 0);
        for (int i = 1; i < 200; i++)
                assert_int_equal(buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1), 0);
        check_refused(b.data, -EMSGSIZE, "/d/f: line 65, column 12: it is nested more than 64 deep");
}

static void test_size(void **state)
{
        int fd;

        /* Were it read, AddressSanitizer would say so. */
        check_refused_sized("", KUBE_CONFIG_SIZE_MAX + 1, NULL, -EMSGSIZE, "/d/f: it is too large");
        fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 10 * 1000 * 1000), 0);
        assert_int_equal(close(fd), 0);
        check_load_refused("large", NULL, NULL, NULL, -EMSGSIZE,
                           "cannot read the kubeconfig large: it is too large");
}

/* Contexts, and what they name. */

static void test_contexts_refused(void **state)
{
        static const Refusal refusals[] = {
                { "", -EINVAL, "/d/f has no contexts" },
                { "\n# nothing\n", -EINVAL, "/d/f has no contexts" },
                { "---\n", -EINVAL, "/d/f has no contexts" },
                { "null\n", -EINVAL, "/d/f has no contexts" },
                { "{}", -EINVAL, "/d/f has no contexts" },
                { "apiVersion: v1\nkind: Config\ncontexts: null\n", -EINVAL, "/d/f has no contexts" },
                { "contexts: {name: c}\n", -EINVAL, "/d/f: contexts is not a list" },
                { "clusters: k\n", -EINVAL, "/d/f: clusters is not a list" },
                { "users: [{name: u}, {user: {}}]\n", -EINVAL, "/d/f: entry 2 of users has no name" },
                { "users: [u]\n", -EINVAL, "/d/f: entry 1 of users has no name" },
                { "users: [{name: u, user: x}]\n", -EINVAL, "/d/f: user \"u\" has no fields" },
                { "clusters: [{name: a}, {name: b}, {name: a}]\n", -EINVAL,
                  "/d/f: cluster \"a\" is there twice" },
                { "users: [{name: a}, {name: a}]\n", -EINVAL, "/d/f: user \"a\" is there twice" },
                { "contexts: [{name: a}, {name: a}]\n", -EINVAL, "/d/f: context \"a\" is there twice" },
                { "contexts: [{name: a}, {name: b}]\n", -EINVAL,
                  "/d/f has no current-context, and none was asked for; its contexts: \"a\", \"b\"" },
                { "current-context: [a]\ncontexts: [{name: a}]\n", -EINVAL,
                  "/d/f: current-context is not text" },
                { "current-context: c\ncontexts: [{name: c}]\n", -EINVAL,
                  "/d/f: context \"c\": it names no cluster" },
                { CONTEXT, -EINVAL, "/d/f: context \"c\": there is no cluster \"k\"" },
                { CONTEXT "clusters: [{name: k, cluster: " SERVER "}]", -EINVAL,
                  "/d/f: context \"c\": there is no user \"u\"" },
                { "current-context: \"a\\nb\"\ncontexts: [{name: \"\\e[2J\"}]\n", -EINVAL,
                  "/d/f has no context \"a?b\"; its contexts: \"?[2J\"" },
        };

        check_refusals(refusals, ELEMENTSOF(refusals));
}

static void test_unknown_context(void **state)
{
        static const char ten[] =
                "contexts: [{name: c0}, {name: c1}, {name: c2}, {name: c3}, {name: c4}, {name: c5}, "
                "{name: c6}, {name: c7}, {name: c8}, {name: c9}";
        _cleanup_free_ char *few = str_printf("%s]\n", ten),
                            *many = str_printf("%s, {name: v}, {name: w}]\n", ten);

        check_refused_sized(
                few, strlen(few), "z", -EINVAL,
                "/d/f has no context \"z\"; its contexts: \"c0\", \"c1\", \"c2\", \"c3\", \"c4\", \"c5\", "
                "\"c6\", \"c7\", \"c8\", \"c9\"");
        check_refused_sized(
                many, strlen(many), "z", -EINVAL,
                "/d/f has no context \"z\"; its contexts: \"c0\", \"c1\", \"c2\", \"c3\", \"c4\", \"c5\", "
                "\"c6\", \"c7\", \"c8\", \"c9\" and 2 more");
}

/* As long an error as there can be is cut, not written beyond its end. */
static void test_long_names(void **state)
{
        _cleanup_free_ char *name = repeated("n", 5000),
                            *text = str_printf("contexts: [{name: %s}]\n", name);
        KubeConfigError error;
        KubeConfig *c;

        assert_int_equal(kube_config_parse(text, strlen(text), "/d/f", "/d", name + 1, &c, &error), -EINVAL);
        assert_int_equal(strlen(error.text), KUBE_CONFIG_ERROR_MAX - 1);
}

/* Servers. */

static void test_servers(void **state)
{
        static const struct {
                const char *server, *expected;
        } servers[] = {
                { "https://k", "https://k" },
                { "https://k/", "https://k" },
                { "HTTPS://K.example.COM:6443", "https://K.example.COM:6443" },
                { "https://k:6443/k8s/clusters/c-x/", "https://k:6443/k8s/clusters/c-x" },
                { "https://k:6443//", "https://k:6443" },
                { "https://k/a/b?x=/1#f/", "https://k/a/b" },
                { "https://k?x=1", "https://k" },
                { "https://[2001:db8::1]:6443/a", "https://[2001:db8::1]:6443/a" },
                { "https://[::1]", "https://[::1]" },
                { "https://under_score-dash.:1", "https://under_score-dash.:1" },
                { "http://localhost:8001", "http://localhost:8001" },
                { "http://127.0.0.1:8001/a/", "http://127.0.0.1:8001/a" },
                { "http://127.99.0.1", "http://127.99.0.1" },
                { "http://[::1]:80", "http://[::1]:80" },
                { "localhost:8080", "http://localhost:8080" },
                { "127.0.0.1", "http://127.0.0.1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(servers); i++) {
                _cleanup_free_ char *text = str_printf(CONFIG("{server: '%s'}", USER), servers[i].server);
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

                check_string(c->server, servers[i].expected);
        }
}

#define PLAIN_HTTP "it is plain http, and eatr sends Secrets over https only (http is for loopback)"
#define NO_SCHEME "without https:// it means plain http, and eatr sends Secrets over https only"
#define NO_HOST "it has no valid HOST or HOST:PORT"

static void test_servers_refused(void **state)
{
        static const struct {
                const char *server;
                int error;
                const char *reason;
        } servers[] = {
                { "http://k.example.com", -EINVAL, PLAIN_HTTP },
                { "http://10.0.0.1:8080", -EINVAL, PLAIN_HTTP },
                { "http://127.evil.com", -EINVAL, PLAIN_HTTP },
                { "http://127.1", -EINVAL, PLAIN_HTTP },
                { "http://localhost.evil.com", -EINVAL, PLAIN_HTTP },
                { "http://[::2]", -EINVAL, PLAIN_HTTP },
                { "http://[::ffff:1.2.3.4]", -EINVAL, PLAIN_HTTP },
                { "k:6443", -EINVAL, NO_SCHEME },
                { "ftp://k", -EINVAL, "it does not start with https://" },
                { "httpsx://k", -EINVAL, "it does not start with https://" },
                { "://k", -EINVAL, "it does not start with https://" },
                { "https://", -EINVAL, NO_HOST },
                { "https:///a", -EINVAL, NO_HOST },
                { "https://:6443", -EINVAL, NO_HOST },
                { "https://k:", -EINVAL, NO_HOST },
                { "https://k:0", -EINVAL, NO_HOST },
                { "https://k:65536", -EINVAL, NO_HOST },
                { "https://k:6443x", -EINVAL, NO_HOST },
                { "https://k:99999999999999999999", -EINVAL, NO_HOST },
                { "https://[::1", -EINVAL, NO_HOST },
                { "https://[k]", -EINVAL, NO_HOST },
                { "https://[]", -EINVAL, NO_HOST },
                { "https://[:::]", -EINVAL, NO_HOST },
                { "https://::1", -EINVAL, NO_HOST },
                { "https://k%20", -EINVAL, NO_HOST },
                { "https://k/a b", -EINVAL, "there is a blank, a backslash or a control character in it" },
                { "https://k\\@evil", -EINVAL,
                  "there is a blank, a backslash or a control character in it" },
                { "127.0.0.1:8080/a", -EINVAL, "a path needs https:// before the host" },
                { "https://me:" SECRET "@k", -EINVAL,
                  "there is a user name in it; those go into the entry of the user" },
                { "https://me:" SECRET "/x@k", -EINVAL, NO_HOST },
        };

        for (size_t i = 0; i < ELEMENTSOF(servers); i++) {
                _cleanup_free_ char *text = str_printf(CONFIG("{server: '%s'}", USER), servers[i].server);
                _cleanup_free_ char *message =
                        str_printf("/d/f: cluster \"k\": server: %s", servers[i].reason);

                check_refused(text, servers[i].error, message);
        }
        check_refused(CONFIG("{}", USER), -EINVAL, "/d/f: cluster \"k\": it has no server");
        check_refused(CONFIG("{server: [x]}", USER), -EINVAL, "/d/f: cluster \"k\": server is not text");
}

/* Over plain http there are no credentials, but there is somebody to impersonate; kubectl 1.32 was asked. */
static void test_plain_http(void **state)
{
        static const char *const users[] = { "{token: t, as: jane}", "{username: u, password: p, as: jane}",
                                             "{" CLIENT_DATA ", as: jane}",
                                             "{tokenFile: /dev/null, token: t, as: jane}",
                                             "{" EXEC ", as: jane}" };

        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                _cleanup_free_ char *text =
                        str_printf(CONFIG("{server: 'http://localhost'}", "%s"), users[i]);
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

                assert_true(!c->token && !c->token_file && !c->username && !c->password &&
                            !c->client_certificate && !c->client_key && !c->exec);
                check_string(c->impersonate[0], "Impersonate-User: jane");
        }
}

static void test_tls_server_name(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed(CONFIG("{server: 'https://k', tls-server-name: kubernetes.default}", USER));

        check_string(c->tls_server_name, "kubernetes.default");
        check_refused(CONFIG("{server: 'https://k', tls-server-name: a/b}", USER), -EINVAL,
                      "/d/f: cluster \"k\": tls-server-name is not a host name");
}

/* Certificates and keys. */

/* As client-go does. */
static void test_a_key_alone_is_not_looked_at(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed(CONFIG(SERVER, "{client-key: /nowhere, client-key-data: x, token: t}"));

        check_string(c->client_key, NULL);
        check_string(c->token, "t");
}

static void test_certificates_refused(void **state)
{
        static const Refusal refusals[] = {
                { CONFIG("{server: 'https://k', insecure-skip-tls-verify: true, "
                         "certificate-authority-data: " CA_DATA "}",
                         USER),
                  -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority and insecure-skip-tls-verify exclude each "
                  "other" },
                { CONFIG("{server: 'https://k', certificate-authority-data: '%" SECRET "'}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority-data is not base64" },
                { CONFIG("{server: 'https://k', certificate-authority-data: 'AAA'}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority-data is not base64" },
                { CONFIG("{server: 'https://k', certificate-authority-data: 'AAAA'}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority-data is not PEM: there is no \"-----BEGIN\" "
                  "in it" },
                { CONFIG("{server: 'https://k', certificate-authority-data: ' '}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority-data is not PEM: there is no \"-----BEGIN\" "
                  "in it" },
                { CONFIG("{server: 'https://k', certificate-authority: /nowhere/ca}", USER), -ENOENT,
                  "/d/f: cluster \"k\": certificate-authority: cannot read /nowhere/ca: No such file or "
                  "directory" },
                { CONFIG("{server: 'https://k', certificate-authority: /tmp}", USER), -EISDIR,
                  "/d/f: cluster \"k\": certificate-authority: cannot read /tmp: Is a directory" },
                { CONFIG("{server: 'https://k', certificate-authority: /dev/zero}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority: cannot read /dev/zero: it is not a regular "
                  "file" },
                { CONFIG("{server: 'https://k', certificate-authority: /dev/null}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority is not PEM: there is no \"-----BEGIN\" in "
                  "it" },
                { CONFIG("{server: 'https://k', certificate-authority-data: " KEY_DATA "}", USER), -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority: there is no certificate in it that can be "
                  "read" },
                { CONFIG(SERVER, "{client-certificate-data: " CERT_DATA
                                 ", client-key-data: " PEM_OTHER_KEY_DATA "}"),
                  -EINVAL,
                  "/d/f: user \"u\": client-certificate: the private key beside it is another one's" },
                { CONFIG(SERVER, "{client-key-data: " KEY_DATA "}"), -EINVAL,
                  "/d/f: user \"u\": there is a client-key, but no client-certificate" },
                { CONFIG(SERVER, "{client-certificate-data: " CERT_DATA "}"), -EINVAL,
                  "/d/f: user \"u\": there is a client-certificate, but no client-key" },
                { CONFIG(SERVER, "{client-certificate-data: " CERT_DATA ", client-key: /nowhere/key}"),
                  -ENOENT,
                  "/d/f: user \"u\": client-key: cannot read /nowhere/key: No such file or directory" },
                { CONFIG(SERVER,
                         "{client-certificate-data: " CERT_DATA ", client-key-data: " LOCKED_KEY_DATA "}"),
                  -EINVAL, "/d/f: user \"u\": client-key-data needs a password; store it without one" },
                { CONFIG(SERVER, "{client-certificate-data: " CERT_DATA ", client-key-data: [" SECRET "]}"),
                  -EINVAL, "/d/f: user \"u\": client-key-data is not text" },
                { CONFIG(SERVER, "{client-certificate: /nowhere, " CLIENT_DATA "}"), -EINVAL,
                  "/d/f: user \"u\": client-certificate and client-certificate-data exclude each other" },
                { CONFIG(SERVER, "{client-key: /nowhere, " CLIENT_DATA "}"), -EINVAL,
                  "/d/f: user \"u\": client-key and client-key-data exclude each other" },
                { CONFIG("{server: 'https://k', certificate-authority: /nowhere, "
                         "certificate-authority-data: " CA_DATA "}",
                         USER),
                  -EINVAL,
                  "/d/f: cluster \"k\": certificate-authority and certificate-authority-data exclude each "
                  "other" },
        };

        check_refusals(refusals, ELEMENTSOF(refusals));
}

/* Tokens. */

static void test_token(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(CONFIG(SERVER, "{token: \"  abc.d-e \\n\"}"));
        _cleanup_(kube_config_freep) KubeConfig *none = parsed(CONFIG(SERVER, "{token: ' '}"));

        check_string(c->token, "abc.d-e");
        check_string(none->token, NULL);
        check_refused(CONFIG(SERVER, "{token: 0123}"), -EINVAL,
                      "/d/f: user \"u\": token is not text, as there are no quotes around it");
        check_refused(CONFIG(SERVER, "{token: \"" SECRET "\\r\\nX: y\"}"), -EINVAL,
                      "/d/f: user \"u\": token: there is a control character in it");
}

static void test_token_file(void **state)
{
        _cleanup_free_ char *path = str_printf("%s/token", directory);
        _cleanup_(kube_config_freep) KubeConfig *both = NULL, *gone = NULL;

        write_file("token", "\n from-file \n");
        both = parsed(CONFIG(SERVER, "{token: static, tokenFile: token}"));
        check_string(both->token, "from-file");
        check_string(both->token_file, path);
        assert_int_equal(unlink("token"), 0);
        gone = parsed(CONFIG(SERVER, "{token: static, tokenFile: token}"));
        check_string(gone->token, "static");
        check_string(gone->token_file, path);
}

static void test_token_file_refused(void **state)
{
        _cleanup_free_ char *no_file = str_printf(
                "/d/f: user \"u\": tokenFile: cannot read %s/none: No such file or directory", directory);
        _cleanup_free_ char *control = str_printf(
                "/d/f: user \"u\": tokenFile: cannot read %s/control: there is a control character in it",
                directory);

        check_refused(CONFIG(SERVER, "{tokenFile: none}"), -ENOENT, no_file);
        check_refused(CONFIG(SERVER, "{tokenFile: /dev/null}"), -ENODATA,
                      "/d/f: user \"u\": tokenFile: cannot read /dev/null: it is empty");
        write_file("control", SECRET "\nX: y");
        check_refused(CONFIG(SERVER, "{tokenFile: control}"), -EBADMSG, control);
}

static void test_read_token(void **state)
{
        _cleanup_free_ char *large = repeated("t", 65537);
        _cleanup_erase_ char *token = NULL;
        int fd;

        write_file("t", "\t abc \r\n");
        assert_int_equal(kube_config_read_token("t", &token), 0);
        check_string(token, "abc");
        write_file("t", " \n");
        assert_int_equal(kube_config_read_token("t", &token), -ENODATA);
        write_file("t", large);
        assert_int_equal(kube_config_read_token("t", &token), -EMSGSIZE);
        fd = open("t", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "a\0b", 3), 3);
        assert_int_equal(close(fd), 0);
        assert_int_equal(kube_config_read_token("t", &token), -EBADMSG);
        assert_int_equal(kube_config_read_token("no-such", &token), -ENOENT);
        assert_int_equal(kube_config_read_token(".", &token), -EISDIR);
}

/* Other ways to show who one is. */

static void test_basic(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c =
                parsed(CONFIG(SERVER, "{username: jane, password: 'p: w'}"));
        _cleanup_(kube_config_freep) KubeConfig *name = parsed(CONFIG(SERVER, "{username: jane}"));
        static const char *const both[] = { "{username: jane, token: " SECRET "}",
                                            "{password: " SECRET ", token: " SECRET "}",
                                            "{username: jane, tokenFile: both, token: " SECRET "}" };

        check_string(c->username, "jane");
        check_string(c->password, "p: w");
        check_string(name->username, "jane");
        check_string(name->password, NULL);
        for (size_t i = 0; i < ELEMENTSOF(both); i++) {
                _cleanup_free_ char *text = str_printf(CONFIG(SERVER, "%s"), both[i]);

                check_refused(
                        text, -EINVAL,
                        "/d/f: user \"u\": a token, and username and password, exclude each other; only "
                        "one is sent");
        }
}

static void test_impersonation(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(
                CONFIG(SERVER, "{token: t, as: jane, as-groups: [a, b], as-user-extra: {acme/x: [z]}}"));
        _cleanup_(kube_config_freep) KubeConfig *none = parsed(CONFIG(SERVER, USER));

        check_string(c->impersonate[0], "Impersonate-User: jane");
        check_string(c->impersonate[3], "Impersonate-Extra-acme%2Fx: z");
        assert_null(c->impersonate[4]);
        assert_null(none->impersonate);
        check_refused(CONFIG(SERVER, "{token: t, as-groups: [a]}"), -EINVAL,
                      "/d/f: user \"u\": there is as-groups, but no as");
}

static void test_auth_providers_are_refused(void **state)
{
        static const char *const cases[][2] = {
                { "{name: gcp}",
                  "eatr cannot do the auth-provider gcp; the exec plugin gke-gcloud-auth-plugin is in its "
                  "place: \"gcloud container clusters get-credentials\" writes a kubeconfig with it" },
                { "{name: azure}",
                  "eatr cannot do the auth-provider azure; the exec plugin kubelogin is in "
                  "its place: \"kubelogin convert-kubeconfig\" writes a kubeconfig with it" },
                { "{name: oidc, config: {id-token: " SECRET "}}",
                  "eatr cannot do the auth-provider oidc; use an exec plugin for OpenID Connect, such as "
                  "kubelogin (kubectl oidc-login)" },
                { "{name: " SECRET "}",
                  "eatr cannot do an auth-provider; use an exec plugin, a client certificate, a token or a "
                  "tokenFile instead" },
                { "{}", "eatr cannot do an auth-provider; use an exec plugin, a client certificate, a token "
                        "or a tokenFile instead" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                /* A token beside it does not help, with kubectl neither. */
                _cleanup_free_ char *text =
                        str_printf(CONFIG(SERVER, "{auth-provider: %s, token: t}"), cases[i][0]);
                _cleanup_free_ char *message = str_printf("/d/f: user \"u\": %s", cases[i][1]);

                check_refused(text, -EOPNOTSUPP, message);
        }
}

/* As client-go does, and only of the context that is used. */
static void test_exec_beside_other_credentials(void **state)
{
        static const char *const users[] = {
                "{" EXEC ", token: t}",
                "{" EXEC ", tokenFile: /dev/null, token: t}",
                "{" EXEC ", " CLIENT_DATA "}",
                "{" EXEC ", username: x}",
                "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: x}, token: t}",
                "{}}, {name: other, user: {exec: {command: x}, username: u, client-key: /nowhere}",
        };
        _cleanup_(kube_config_freep) KubeConfig *password =
                parsed(CONFIG(SERVER, "{" EXEC ", password: x}"));

        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                _cleanup_free_ char *text = str_printf(CONFIG(SERVER, "%s"), users[i]);
                _cleanup_(kube_config_freep) KubeConfig *c = parsed(text);

                check_string(c->server, "https://k:6443");
                assert_null(c->exec);
        }
        assert_non_null(password->exec); /* a password alone is not enough */
        /* But what is wrong with it is told. */
        check_refused(CONFIG(SERVER, "{exec: {apiVersion: client.authentication.k8s.io/v1}, token: t}"),
                      -EINVAL, "/d/f: user \"u\": exec has no command");
}

static void test_proxy(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c = parsed(CONFIG(
                "{server: 'https://k', proxy-url: 'socks5://me:" SECRET "@p', disable-compression: yes}",
                USER));
        _cleanup_(kube_config_freep) KubeConfig *told =
                parsed(CONFIG("{server: 'https://k', proxy-url: 'socks5://me:" SECRET "@p'}",
                              "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, "
                              "provideClusterInfo: true, command: x}}"));

        check_string(c->proxy_url, "socks5h://me:" SECRET "@p:1080");
        assert_true(c->disable_compression);
        check_string(told->exec->cluster,
                     "{\"server\":\"https://k\",\"proxy-url\":\"socks5://me:" SECRET "@p\"}");
        check_refused(CONFIG("{server: 'https://k', proxy-url: 'ftp://me:" SECRET "@p'}", USER), -EINVAL,
                      "/d/f: cluster \"k\": proxy-url: it does not start with http://, https:// or "
                      "socks5://");
}

/* --- as values ---------------------------------------------------------------------------------------- */

/* All that is read of a file's fields, each in two values, and how the first is written. */
static void test_equal(void **state)
{
        static const char *const clusters[] = {
                "server: 'https://a'",
                "server: 'https://b'",
                "server: 'https://a', proxy-url: 'http://p'",
                "server: 'https://a', proxy-url: 'http://q'",
                "server: 'https://a', tls-server-name: x",
                "server: 'https://a', certificate-authority-data: " CA_DATA,
                "server: 'https://a', certificate-authority-data: " CERT_DATA,
                "server: 'https://a', insecure-skip-tls-verify: true",
                "server: 'https://a', disable-compression: true",
        };
        static const char *const users[] = {
                "token: a",
                "token: b",
                "token: a, tokenFile: token-1",
                "token: a, tokenFile: token-2",
                "username: a",
                "username: b",
                "username: a, password: a",
                "username: a, password: b",
                CLIENT_DATA,
                "client-certificate-data: " PEM_OTHER_CERT_DATA ", client-key-data: " PEM_OTHER_KEY_DATA,
                "token: a, as: a",
                "token: a, as: b",
                "token: a, as: a, as-groups: [b]",
                EXEC,
                "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: z}",
        };
        KubeConfig *configs[ELEMENTSOF(clusters) + ELEMENTSOF(users)], *again;
        size_t n = ELEMENTSOF(configs);

        write_file("token-1", "t");
        write_file("token-2", "t");
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *text = i < ELEMENTSOF(clusters)
                                                    ? str_printf(CONFIG("{%s}", "{token: c}"), clusters[i])
                                                    : str_printf(CONFIG("{server: 'https://a'}", "{%s}"),
                                                                 users[i - ELEMENTSOF(clusters)]);

                configs[i] = parsed(text);
                again = parsed(text);
                assert_true(kube_config_equal(configs[i], again));
                again = kube_config_free(again);
        }
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++)
                        if (kube_config_equal(configs[i], configs[j]) != (i == j))
                                fail_msg("%zu and %zu", i, j);
        for (size_t i = 0; i < n; i++)
                configs[i] = kube_config_free(configs[i]);
}

/* kube-client reads it again and again by itself. */
static void test_a_new_token_in_the_same_file_is_no_difference(void **state)
{
        static const char text[] = CONFIG(SERVER, "{tokenFile: turning}");
        _cleanup_(kube_config_freep) KubeConfig *before = NULL, *after = NULL;

        write_file("turning", "one");
        before = parsed(text);
        write_file("turning", "two");
        after = parsed(text);
        check_string(after->token, "two");
        assert_true(kube_config_equal(before, after));
}

/* Whatever is wrong with it. */
static void refuse(const char *path)
{
        KubeConfigError error = { "" };
        KubeConfig *c = NULL;

        noted = words_free(noted);
        assert_true(kube_config_load(path, NULL, NULL, NULL, &c, &noted, &error) < 0);
        assert_null(c);
}

static void check_noted(const char *const *names)
{
        size_t n = 0;

        for (; names[n]; n++) {
                _cleanup_free_ char *path = str_printf("%s/%s", directory, names[n]);

                check_string(noted[n], path);
        }
        assert_null(noted[n]);
}

/* The token's file is kube-client's affair, unless it is missing. */
static void test_files_to_look_at(void **state)
{
        static const char *const names[] = { "noted", "not-there", "./ca", "./cert", "./key", NULL };
        static const char *const missing[] = { "noted", "./ca", "./cert", "./key", "./token", NULL };
        _cleanup_(kube_config_freep) KubeConfig *c = NULL;

        write_file("ca", CA);
        write_file("cert", CERT);
        write_file("key", KEY);
        write_file("token", "t");
        write_file("noted", CONFIG("{server: 'https://k', certificate-authority: ca}",
                                   "{client-certificate: cert, client-key: key, tokenFile: token}"));
        c = loaded(NULL, "noted:not-there:noted", NULL, NULL);
        check_noted(names);
        c = kube_config_free(c);
        assert_int_equal(unlink("token"), 0);
        refuse("noted");
        check_noted(missing);
        assert_int_equal(unlink("cert"), 0);
        refuse("noted");
        assert_string_equal(strrchr(noted[2], '/'), "/cert");
        assert_null(noted[3]);
        noted = words_free(noted);
}

/* Files. */

static void test_explicit_file(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *c = NULL;

        write_file("f", CONFIG(SERVER, USER));
        c = loaded("f", "/nowhere", "/nowhere", NULL);
        check_string(c->token, SECRET);
        check_load_refused("none", "f", NULL, NULL, -ENOENT,
                           "cannot read the kubeconfig none: No such file or directory");
}

static void test_not_regular(void **state)
{
        assert_int_equal(mkdir("dir", 0700), 0);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        write_file("empty", "");
        check_load_refused("dir", NULL, NULL, NULL, -EISDIR,
                           "cannot read the kubeconfig dir: Is a directory");
        check_load_refused("fifo", NULL, NULL, NULL, -EINVAL,
                           "cannot read the kubeconfig fifo: it is not a regular file");
        check_load_refused("empty", NULL, NULL, NULL, -EINVAL, "empty has no contexts");
        check_load_refused("/dev/null", NULL, NULL, NULL, -EINVAL, "/dev/null has no contexts");
}

static void test_unreadable(void **state)
{
        bool root = geteuid() == 0;

        write_file("locked", CONFIG(SERVER, USER));
        assert_int_equal(chmod("locked", 0), 0);
        if (root)
                assert_int_equal(seteuid(NOBODY), 0);
        check_load_refused("locked", NULL, NULL, NULL, -EACCES,
                           "cannot read the kubeconfig locked: Permission denied");
        check_load_refused(NULL, "none:locked", NULL, NULL, -EACCES,
                           "cannot read the kubeconfig locked: Permission denied");
        if (root)
                assert_int_equal(seteuid(0), 0);
}

static void test_default_file(void **state)
{
        _cleanup_free_ char *none =
                str_printf("cannot read the kubeconfig %s/home/.kube/config: No such file or "
                           "directory",
                           directory);
        _cleanup_free_ char *home = str_printf("%s/home", directory);
        _cleanup_(kube_config_freep) KubeConfig *c = NULL;

        assert_int_equal(mkdir("home", 0700), 0);
        assert_int_equal(mkdir("home/.kube", 0700), 0);
        check_load_refused(NULL, NULL, home, NULL, -ENOENT, none);
        write_file("home/.kube/config", CONFIG(SERVER, USER));
        c = loaded(NULL, "", home, NULL);
        check_string(c->token, SECRET);
        check_load_refused(NULL, NULL, NULL, NULL, -ENOENT,
                           "no kubeconfig is named, and there is no home directory to look for one");
        check_load_refused(NULL, "none", home, NULL, -ENOENT,
                           "none of the files that $KUBECONFIG names is there: none");
        check_load_refused(NULL, ":", home, NULL, -ENOENT,
                           "none of the files that $KUBECONFIG names is there: :");
}

/* The same files went to "kubectl config view --raw --minify", with the same result. */
static void write_merge_files(void)
{
        write_file("m1", "current-context: ''\n"
                         "contexts: [{name: one, context: {cluster: shared, user: first}}]\n"
                         "clusters: [{name: shared, cluster: {server: 'https://one'}}]\n"
                         "users: [{name: first, user: {token: t1}}]\n");
        write_file("m2",
                   "current-context: two\n"
                   "contexts: [{name: one, context: {cluster: k2, user: second}},\n"
                   "  {name: two, context: {cluster: shared, user: second}}]\n"
                   "clusters: [{name: shared, cluster: {server: 'https://two', tls-server-name: two}},\n"
                   "  {name: k2, cluster: {server: 'https://k2'}}]\n"
                   "users: [{name: second, user: {token: t2}}, {name: first, user: {as: x}}]\n");
        write_file("m3", "current-context: one\ncontexts: [{name: three, context: {cluster: k2}}]\n");
}

static void test_merge(void **state)
{
        _cleanup_(kube_config_freep) KubeConfig *current = NULL, *one = NULL, *three = NULL, *other = NULL;

        write_merge_files();
        /* The first current-context that is not empty; whole entries, so no tls-server-name. */
        current = loaded(NULL, "none:m1::m2:m3:m1", NULL, NULL);
        check_string(current->context, "two");
        check_string(current->server, "https://one");
        check_string(current->tls_server_name, NULL);
        check_string(current->token, "t2");
        one = loaded(NULL, "m1:m2:m3", NULL, "one");
        check_string(one->server, "https://one");
        check_string(one->token, "t1");
        three = loaded(NULL, "m1:m2:m3", NULL, "three");
        check_string(three->server, "https://k2");
        check_string(three->token, NULL);
        other = loaded(NULL, "m2:m1", NULL, "two");
        check_string(other->server, "https://two");
        check_string(other->tls_server_name, "two");
}

static void test_merge_refused(void **state)
{
        write_merge_files();
        write_file("bad", "a: [\n");
        check_load_refused(NULL, "m1:m2:m3", NULL, "four", -EINVAL,
                           "m1:m2:m3 has no context \"four\"; its contexts: \"one\", \"two\", \"three\"");
        check_load_refused(NULL, "m1:bad", NULL, NULL, -EINVAL,
                           "bad: line 2, column 1: did not find expected node content");
}

/* Relative paths start where the file that has the entry lies, not where eatr runs. */
static void test_relative_paths(void **state)
{
        _cleanup_free_ char *token_file = str_printf("%s/./r2/token", directory);
        _cleanup_(kube_config_freep) KubeConfig *c = NULL, *linked = NULL;

        assert_int_equal(mkdir("r1", 0700), 0);
        assert_int_equal(mkdir("r2", 0700), 0);
        write_file("r1/ca", CA);
        write_file("r2/ca", PEM_OTHER_CERT);
        write_file("r2/token", "t2");
        write_file("r1/config", CONTEXT "clusters: [{name: k, cluster: {server: 'https://k', "
                                        "certificate-authority: ca}}]\n");
        write_file("r2/config",
                   "users: [{name: u, user: {tokenFile: token}}]\n"
                   "clusters: [{name: k, cluster: {server: 'https://k', certificate-authority: ca}}]\n");
        c = loaded(NULL, "r1/config:./r2/config", NULL, NULL);
        check_string(c->ca, CA);
        check_string(c->token, "t2");
        check_string(c->token_file, token_file);
        /* The link's directory, as in client-go. */
        write_file("r1/token", "t1");
        assert_int_equal(symlink("../r2/config", "r1/link"), 0);
        linked = loaded(NULL, "r1/link:r1/config", NULL, NULL);
        check_string(linked->token, "t1");
        check_string(linked->ca, CA);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kubeadm),
                cmocka_unit_test(test_k3s_data),
                cmocka_unit_test(test_k3s_files),
                cmocka_unit_test(test_aks),
                cmocka_unit_test(test_rancher),
                cmocka_unit_test(test_eks),
                cmocka_unit_test(test_gke),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_types),
                cmocka_unit_test(test_flow_yaml),
                cmocka_unit_test(test_only_first_document),
                cmocka_unit_test(test_bom_and_crlf),
                cmocka_unit_test(test_null_is_unset),
                cmocka_unit_test(test_quoted_null_is_text),
                cmocka_unit_test(test_booleans),
                cmocka_unit_test(test_aliases_and_merge_keys),
                cmocka_unit_test(test_last_of_repeated_keys),
                cmocka_unit_test(test_data_with_line_breaks),
                cmocka_unit_test(test_bad_yaml),
                cmocka_unit_test(test_nul_bytes),
                cmocka_unit_test(test_alias_bomb),
                cmocka_unit_test(test_alias_bomb_of_text),
                cmocka_unit_test(test_many_values),
                cmocka_unit_test(test_caps),
                cmocka_unit_test(test_deep_aliases),
                cmocka_unit_test(test_size),
                cmocka_unit_test(test_contexts_refused),
                cmocka_unit_test(test_unknown_context),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_servers),
                cmocka_unit_test(test_servers_refused),
                cmocka_unit_test(test_plain_http),
                cmocka_unit_test(test_tls_server_name),
                cmocka_unit_test(test_a_key_alone_is_not_looked_at),
                cmocka_unit_test(test_certificates_refused),
                cmocka_unit_test(test_token),
                cmocka_unit_test(test_token_file),
                cmocka_unit_test(test_token_file_refused),
                cmocka_unit_test(test_read_token),
                cmocka_unit_test(test_basic),
                cmocka_unit_test(test_impersonation),
                cmocka_unit_test(test_auth_providers_are_refused),
                cmocka_unit_test(test_exec_beside_other_credentials),
                cmocka_unit_test(test_proxy),
                cmocka_unit_test(test_equal),
                cmocka_unit_test(test_a_new_token_in_the_same_file_is_no_difference),
                cmocka_unit_test(test_files_to_look_at),
                cmocka_unit_test(test_explicit_file),
                cmocka_unit_test(test_not_regular),
                cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_default_file),
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_merge_refused),
                cmocka_unit_test(test_relative_paths),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
