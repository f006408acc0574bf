/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-scalar.h"
#include "kube-yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#define ANCHORS_MAX 256U

typedef struct Anchor {
        char *name;
        const cJSON *value; /* in the tree that is being built */
} Anchor;

/* Events instead of yaml_parser_load(): that one needs 161 MB for 4 MB of "- a", and time that grows with
 * the square of depth and anchors, before it hands over what a cap could be held to. */
typedef struct Builder {
        yaml_parser_t parser;
        const char *text;
        size_t size;
        Anchor anchors[ANCHORS_MAX];
        size_t n_anchors;
        size_t memory; /* what the tree takes so far */
        KubeYamlError *error;
} Builder;

static void builder_done(Builder *b)
{
        for (size_t i = 0; i < b->n_anchors; i++)
                free(b->anchors[i].name);
        /* The parser's copies of the text; it has no hook for wiping. */
        if (b->parser.raw_buffer.start)
                explicit_bzero(b->parser.raw_buffer.start,
                               (size_t) (b->parser.raw_buffer.end - b->parser.raw_buffer.start));
        if (b->parser.buffer.start)
                explicit_bzero(b->parser.buffer.start,
                               (size_t) (b->parser.buffer.end - b->parser.buffer.start));
        yaml_parser_delete(&b->parser);
}

static void event_done(yaml_event_t *e)
{
        if (e->type == YAML_SCALAR_EVENT && e->data.scalar.value)
                explicit_bzero(e->data.scalar.value, e->data.scalar.length);
        yaml_event_delete(e);
}
#define _cleanup_event_ _cleanup_(event_done)

/* Writes the error, at the end of what is there, and returns its number. */
static int _printf_(3, 4) fail(KubeYamlError *e, int error, const char *format, ...)
{
        size_t used = strlen(e->text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(e->text + used, sizeof(e->text) - used, format, ap);
        va_end(ap);
        return error;
}

static int _printf_(4, 5) fail_at(Builder *b, const yaml_mark_t *mark, int error, const char *format, ...)
{
        char message[KUBE_YAML_ERROR_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        return fail(b->error, error, "line %zu, column %zu: %s", mark->line + 1, mark->column + 1, message);
}

/* libyaml counts characters of UTF-8. */
static size_t byte_at(const Builder *b, size_t character)
{
        size_t i = 0;

        for (; i < b->size; i++)
                if (((unsigned char) b->text[i] & 0xc0) != 0x80 && character-- == 0)
                        break;
        return i;
}

static int parser_failed(Builder *b)
{
        const yaml_parser_t *p = &b->parser;
        const char *problem = p->problem ? p->problem : "it is not YAML";
        size_t at = byte_at(b, p->problem_mark.index);

        if (p->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        if (p->error == YAML_READER_ERROR)
                return fail(b->error, -EINVAL, "byte %zu: %s", p->problem_offset + 1, problem);
        return fail_at(b, &p->problem_mark, -EINVAL, "%s%s", problem,
                       at < b->size && b->text[at] == '\t' ? " (YAML is not indented with tabs)" : "");
}

/* The event is the caller's, who calls event_done(). */
static int next_event(Builder *b, yaml_event_t *ret)
{
        return yaml_parser_parse(&b->parser, ret) ? 0 : parser_failed(b);
}

/* Takes one value of that many bytes into account, and holds the caps. */
static int charge(Builder *b, const yaml_mark_t *mark, size_t bytes, unsigned depth)
{
        b->memory += sizeof(cJSON) + bytes;
        if (depth > KUBE_YAML_DEPTH_MAX)
                return fail_at(b, mark, -EMSGSIZE, "it is nested more than %u deep", KUBE_YAML_DEPTH_MAX);
        if (b->memory > KUBE_YAML_MEMORY_MAX)
                return fail_at(b, mark, -EMSGSIZE, "it takes more than %u MiB, with its aliases expanded",
                               KUBE_YAML_MEMORY_MAX >> 20);
        return 0;
}

/* The same for a value that is about to be copied. */
static int charge_copy(Builder *b, const yaml_mark_t *mark, const cJSON *j, unsigned depth)
{
        size_t bytes = (j->string ? strlen(j->string) : 0) + (j->valuestring ? strlen(j->valuestring) : 0);
        int r;

        r = charge(b, mark, bytes, depth);
        if (r < 0)
                return r;
        JSON_FOREACH (item, j) {
                r = charge_copy(b, mark, item, depth + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int build(Builder *b, const yaml_event_t *e, unsigned depth, cJSON **ret);

static const char *scalar_value(const yaml_event_t *e)
{
        return (const char *) e->data.scalar.value;
}

static int build_scalar(Builder *b, const yaml_event_t *e, cJSON **ret)
{
        bool plain = e->data.scalar.plain_implicit && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

        if (strlen(scalar_value(e)) != e->data.scalar.length)
                return fail_at(b, &e->start_mark, -EINVAL, "there is a NUL character in the text");
        *ret = plain ? kube_scalar_value(scalar_value(e)) : cJSON_CreateString(scalar_value(e));
        return *ret ? 0 : -ENOMEM;
}

static int build_alias(Builder *b, const yaml_event_t *e, unsigned depth, cJSON **ret)
{
        const char *name = (const char *) e->data.alias.anchor;
        int r;

        for (size_t i = b->n_anchors; i-- > 0;)
                if (streq(b->anchors[i].name, name)) {
                        r = charge_copy(b, &e->start_mark, b->anchors[i].value, depth);
                        if (r < 0)
                                return r;
                        *ret = cJSON_Duplicate(b->anchors[i].value, true);
                        return *ret ? 0 : -ENOMEM;
                }
        return fail_at(b, &e->start_mark, -EINVAL, "the alias has no anchor before it");
}

static int build_sequence(Builder *b, unsigned depth, cJSON **ret)
{
        _cleanup_json_ cJSON *j = cJSON_CreateArray();
        int r;

        if (!j)
                return -ENOMEM;
        for (;;) {
                _cleanup_event_ yaml_event_t e = { 0 };
                cJSON *item;

                r = next_event(b, &e);
                if (r < 0)
                        return r;
                if (e.type == YAML_SEQUENCE_END_EVENT)
                        break;
                r = build(b, &e, depth + 1, &item);
                if (r < 0)
                        return r;
                (void) cJSON_AddItemToArray(j, item);
        }
        *ret = TAKE_PTR(j);
        return 0;
}

/* Builds the value of a key and adds both. */
static int build_member(Builder *b, const yaml_event_t *key, unsigned depth, cJSON *object)
{
        _cleanup_event_ yaml_event_t e = { 0 };
        _cleanup_json_ cJSON *item = NULL;
        int r;

        if (key->type != YAML_SCALAR_EVENT || strlen(scalar_value(key)) != key->data.scalar.length)
                return fail_at(b, &key->start_mark, -EINVAL, "the key is not plain text");
        r = charge(b, &key->start_mark, key->data.scalar.length, depth);
        if (r < 0)
                return r;
        r = next_event(b, &e);
        if (r < 0)
                return r;
        r = build(b, &e, depth, &item);
        if (r < 0)
                return r;
        if (!cJSON_AddItemToObject(object, scalar_value(key), item))
                return -ENOMEM;
        (void) TAKE_PTR(item);
        return 0;
}

static int build_mapping(Builder *b, unsigned depth, cJSON **ret)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        int r;

        if (!j)
                return -ENOMEM;
        for (;;) {
                _cleanup_event_ yaml_event_t key = { 0 };

                r = next_event(b, &key);
                if (r < 0)
                        return r;
                if (key.type == YAML_MAPPING_END_EVENT)
                        break;
                r = build_member(b, &key, depth + 1, j);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(j);
        return 0;
}

/* Only complete values get here, so that none can hold an alias of itself. */
static int add_anchor(Builder *b, const yaml_mark_t *mark, const yaml_char_t *name, const cJSON *value)
{
        char *copy;

        if (!name)
                return 0;
        if (b->n_anchors >= ANCHORS_MAX)
                return fail_at(b, mark, -EMSGSIZE, "there are more than %u anchors", ANCHORS_MAX);
        copy = strdup((const char *) name);
        if (!copy)
                return -ENOMEM;
        b->anchors[b->n_anchors++] = (Anchor){ .name = copy, .value = value };
        return 0;
}

static int build(Builder *b, const yaml_event_t *e, unsigned depth, cJSON **ret)
{
        const yaml_char_t *anchor = NULL;
        _cleanup_json_ cJSON *j = NULL;
        int r;

        r = charge(b, &e->start_mark, e->type == YAML_SCALAR_EVENT ? e->data.scalar.length : 0, depth);
        if (r < 0)
                return r;
        if (e->type == YAML_SCALAR_EVENT) {
                anchor = e->data.scalar.anchor;
                r = build_scalar(b, e, &j);
        } else if (e->type == YAML_SEQUENCE_START_EVENT) {
                anchor = e->data.sequence_start.anchor;
                r = build_sequence(b, depth, &j);
        } else if (e->type == YAML_MAPPING_START_EVENT) {
                anchor = e->data.mapping_start.anchor;
                r = build_mapping(b, depth, &j);
        } else
                r = build_alias(b, e, depth, &j);
        if (r < 0)
                return r;
        r = add_anchor(b, &e->start_mark, anchor, j);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

/* The first document, and what ends it: garbage behind it is an error, another document is not. */
static int build_document(Builder *b, cJSON **ret)
{
        _cleanup_json_ cJSON *j = NULL;
        bool within = false;
        int r;

        for (;;) {
                _cleanup_event_ yaml_event_t e = { 0 };

                r = next_event(b, &e);
                if (r < 0)
                        return r;
                if (e.type == YAML_STREAM_END_EVENT || (e.type == YAML_DOCUMENT_START_EVENT && within))
                        break;
                if (e.type == YAML_DOCUMENT_START_EVENT)
                        within = true;
                else if (e.type != YAML_STREAM_START_EVENT && e.type != YAML_DOCUMENT_END_EVENT) {
                        r = build(b, &e, 0, &j);
                        if (r < 0)
                                return r;
                }
        }
        if (!j)
                j = cJSON_CreateNull();
        if (!j)
                return -ENOMEM;
        *ret = TAKE_PTR(j);
        return 0;
}

static int parse_yaml(const char *text, size_t size, cJSON **ret, KubeYamlError *error)
{
        _cleanup_(builder_done) Builder b = { .text = text, .size = size, .error = error };

        if (!yaml_parser_initialize(&b.parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&b.parser, (const unsigned char *) text, size);
        return build_document(&b, ret);
}

static bool starts_as_json(const char *text, size_t size)
{
        size_t i = 0;

        while (i < size && strchr(" \t\r\n", text[i]) && text[i])
                i++;
        return i < size && text[i] == '{';
}

/* At most about what the tree of a JSON text would take. */
static size_t json_memory(const char *text, size_t size)
{
        size_t values = 1;

        for (size_t i = 0; i < size; i++)
                if (text[i] == ',' || text[i] == '[' || text[i] == '{')
                        values++;
        return size + values * sizeof(cJSON);
}

/* Where cJSON stopped, for the case that YAML knows no better. */
static void note_json_error(const char *text, size_t size, KubeYamlError *error)
{
        const char *at = cJSON_GetErrorPtr();
        size_t line = 1, column = 1;

        if (!at || at < text || at > text + size)
                return;
        for (const char *p = text; p < at; p++) {
                column = *p == '\n' ? 1 : column + 1;
                line += *p == '\n';
        }
        (void) fail(error, 0, "not JSON from line %zu, column %zu on; as YAML, ", line, column);
}

static int parse(const char *text, size_t size, cJSON **ret, KubeYamlError *error)
{
        int r;

        if (!starts_as_json(text, size))
                return parse_yaml(text, size, ret, error);
        if (json_memory(text, size) > KUBE_YAML_MEMORY_MAX)
                return fail(error, -EMSGSIZE, "it takes more than %u MiB", KUBE_YAML_MEMORY_MAX >> 20);
        /* cJSON would end a string there; as YAML it is told where it is. */
        if (memmem(text, size, "\\u0000", strlen("\\u0000")))
                return parse_yaml(text, size, ret, error);
        r = json_parse(text, size, size, ret);
        if (r != -EINVAL)
                return r;
        /* YAML may have braces, too. */
        note_json_error(text, size, error);
        return parse_yaml(text, size, ret, error);
}

int kube_yaml_parse(const char *text, size_t size, cJSON **ret, KubeYamlError *error)
{
        int r;

        error->text[0] = '\0';
        r = parse(text, size, ret, error);
        if (r == -ENOMEM) {
                error->text[0] = '\0';
                return fail(error, r, "out of memory");
        }
        return r;
}

static const cJSON *own_member(const cJSON *j, const char *name)
{
        const cJSON *found = NULL;

        JSON_FOREACH (item, j)
                if (streq(item->string, name))
                        found = item;
        return found;
}

const cJSON *kube_yaml_get(const cJSON *j, const char *name)
{
        const cJSON *found, *merged;

        if (!cJSON_IsObject(j))
                return NULL;
        found = own_member(j, name);
        if (found)
                return found;
        merged = own_member(j, "<<");
        if (cJSON_IsObject(merged))
                return kube_yaml_get(merged, name);
        JSON_FOREACH (item, cJSON_IsArray(merged) ? merged : NULL) {
                found = kube_yaml_get(item, name);
                if (found)
                        return found;
        }
        return NULL;
}
