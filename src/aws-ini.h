/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-error.h"

/* The INI of AWS's own files, as Python's configparser reads it for AWS's command line: comments take lines
 * of their own, "=" or ":" ends a key, keys are lower-cased, neither a section nor a key in it may come
 * twice, and a line that is indented deeper than the key before continues its value. If that key has no
 * value of its own, the lines below are sub-properties of it, NAME = VALUE each, which are checked and
 * dropped. This is not the grammar of eatr.conf (see conf-file), where each indented line is a continuation.
 */

#define AWS_INI_SIZE_MAX (1024U * 1024) /* bytes */
#define AWS_INI_SECTIONS_MAX 4096U
#define AWS_INI_KEYS_MAX 512U          /* in a section */
#define AWS_INI_VALUE_MAX (16U * 1024) /* bytes */

typedef struct AwsIniValue {
        char *key;
        char *text;    /* without blanks around it; lines that continue it are joined by a blank */
        unsigned line; /* of the key */
        bool nested;   /* there are sub-properties, and text is empty */
} AwsIniValue;

typedef struct AwsIniSection {
        char *name; /* what is between the brackets */
        AwsIniValue *values;
        size_t n_values;
} AwsIniSection;

typedef struct AwsIni {
        AwsIniSection *sections; /* in the file's order */
        size_t n_sections;
} AwsIni;

/* Reads a text into an empty *ret; path is what errors call it. Returns 0 or a negative errno with *error
 * set
 * ("PATH:LINE: " comes first), and then *ret is empty. */
int aws_ini_parse(const char *path, const char *text, size_t size, AwsIni *ret, ConfError *error);

/* NULL if there is none; [DEFAULT] does not count, see below. */
const AwsIniSection *aws_ini_section(const AwsIni *ini, const char *name);

/* The key's value in that section, else in [DEFAULT], which configparser has each section inherit; NULL if
 * there is none, or no section (NULL). */
const AwsIniValue *aws_ini_get(const AwsIni *ini, const AwsIniSection *section, const char *key);

/* Puts the second of two words of a section's name (profile "a b") into a buffer as large as the name;
 * quotation marks and backslashes mean what they mean to a shell. Returns false if there are not two. */
bool aws_ini_split_header(const char *header, char *ret);

/* Wipes and frees what it holds; it is empty then. */
void aws_ini_done(AwsIni *ini);
