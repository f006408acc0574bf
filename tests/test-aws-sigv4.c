/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-sigv4.h"
#include "folder.h"
#include "x509-fixtures.h"
#include "x509.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

/* How much of it was wiped as it was freed. */
static size_t erased;

static char *erase(char *s)
{
        erased += s ? strlen(s) : 0;
        return str_erase_free(s);
}

#define str_erase_free(s) erase(s)
#include "aws-sigv4.c"
#undef str_erase_free

#define SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="
#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SUITE_KEY                                                                                           \
        {                                                                                                   \
                "AKIDEXAMPLE", SUITE_SECRET, NULL                                                           \
        }
#define OTHER_KEY                                                                                           \
        {                                                                                                   \
                "ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL                    \
        }

typedef struct Case {
        const char *name, *method, *path, *query;
        AwsHeader headers[9]; /* a name of NULL ends them */
        const char *body;
        const char *region, *service;
        AwsKeys keys;
        usec_t seconds;
        const char *canonical_request, *string_to_sign, *authorization;
} Case;

/* clang-format off */
static const Case cases[] = {
        /* golden: tests/golden-sigv4.py sigv4 */
        {
                "get-vanilla", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        },
        {
                "get-header-key-duplicate", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "value2" },
                        { "My-Header1", "value2" },
                        { "My-Header1", "value1" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:value2,value2,value1\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "dc7f04a3abfde8d472b0ab1a418b741b7c67174dad1551b4117b15527fbe966c",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;x-amz-date, "
                "Signature=c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        },
        {
                "get-header-value-order", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "value4" },
                        { "My-Header1", "value1" },
                        { "My-Header1", "value3" },
                        { "My-Header1", "value2" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:value4,value1,value3,value2\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "31ce73cd3f3d9f66977ad3dd957dc47af14df92fcd8509f59b349e9137c58b86",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;x-amz-date, "
                "Signature=08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        },
        {
                "get-header-value-trim", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", " value1" },
                        { "My-Header2", " \"a   b   c\"" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:value1\n"
                "my-header2:\"a b c\"\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;my-header2;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "a726db9b0df21c14f559d0a978e563112acb1b9e05476f0a6a1c7d68f28605c7",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;my-header2;x-amz-date, "
                "Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        },
        {
                "get-header-value-multiline", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "value1\r\n"
                          "  value2\r\n"
                          "     value3" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:value1 value2 value3\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "e99419459a677bc11de234014be3c4e72c1ea5b454ceb58b613061f5d7a162e8",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;x-amz-date, "
                "Signature=cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
        },
        {
                "post-vanilla", "POST", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        },
        {
                "post-header-key-case", "POST", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        },
        {
                "post-header-key-sort", "POST", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "value1" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:value1\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;x-amz-date, "
                "Signature=c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        },
        {
                "post-header-value-case", "POST", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "VALUE1" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:VALUE1\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;x-amz-date, "
                "Signature=cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        },
        {
                "post-sts-header-before", "POST", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                        { "X-Amz-Security-Token", SESSION },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n"
                "x-amz-security-token:" SESSION "\n\n"
                "host;x-amz-date;x-amz-security-token\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "6e966c0a6426090cd4f9b93dbfd6d3e4463e52cebfc85905b04f91c8f5084ebb",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date;x-amz-security-token, "
                "Signature=f9b696e93684f4e0c0f84a45f5c9befbeadb32c7d45ca193b583dccb301b44e2",
        },
        {
                "post-x-www-form-urlencoded", "POST", "/", "",
                {
                        { "Content-Type", "application/x-www-form-urlencoded" },
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "Param1=value1",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "content-type:application/x-www-form-urlencoded\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "content-type;host;x-amz-date\n"
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "42a5e5bb34198acb3e84da4f085bb7927f2bc277ca766e6d19c73c2154021281",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date, "
                "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        },
        {
                "iam-list-users", "GET", "/", "Action=ListUsers&Version=2010-05-08",
                {
                        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
                        { "Host", "iam.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "iam", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n"
                "Action=ListUsers&Version=2010-05-08\n"
                "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
                "host:iam.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "content-type;host;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/iam/aws4_request\n"
                "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date, "
                "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        },
        {
                "ecr", "POST", "/", "",
                {
                        { "Content-Type", "application/x-amz-json-1.1" },
                        { "Host", "api.ecr.eu-west-1.amazonaws.com" },
                        { "X-Amz-Date", "20261123T191927Z" },
                        { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" },
                },
                "{}",
                "eu-west-1", "ecr", OTHER_KEY, 1795461567,
                "POST\n"
                "/\n\n"
                "content-type:application/x-amz-json-1.1\n"
                "host:api.ecr.eu-west-1.amazonaws.com\n"
                "x-amz-date:20261123T191927Z\n"
                "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n"
                "content-type;host;x-amz-date;x-amz-target\n"
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "AWS4-HMAC-SHA256\n"
                "20261123T191927Z\n"
                "20261123/eu-west-1/ecr/aws4_request\n"
                "131f63ac26fcda7b90e3c2ed2c60480212b8e6885c3165aa0d320c2f6777b355",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=c692f735bf2309ba106d3fc2ffeb67859e03ec44492d3da616c7de91f0f40376",
        },
        {
                "ecr-session", "POST", "/", "",
                {
                        { "Content-Type", "application/x-amz-json-1.1" },
                        { "Host", "api.ecr.eu-west-1.amazonaws.com" },
                        { "X-Amz-Date", "20261123T191927Z" },
                        { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" },
                        { "X-Amz-Security-Token", SESSION },
                },
                "{}",
                "eu-west-1", "ecr", OTHER_KEY, 1795461567,
                "POST\n"
                "/\n\n"
                "content-type:application/x-amz-json-1.1\n"
                "host:api.ecr.eu-west-1.amazonaws.com\n"
                "x-amz-date:20261123T191927Z\n"
                "x-amz-security-token:" SESSION "\n"
                "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n"
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target\n"
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "AWS4-HMAC-SHA256\n"
                "20261123T191927Z\n"
                "20261123/eu-west-1/ecr/aws4_request\n"
                "29fdca77315c24183f915ecd32a6e4c6f0e4c80cf171f9ead48e9367b1622c43",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=293efdc18c8fa438e7fd65b17ee4bc6dadad59bedd0c648b43800326bf01f1dd",
        },
        {
                "ecr-port", "POST", "/", "",
                {
                        { "Content-Type", "application/x-amz-json-1.1" },
                        { "Host", "localhost:5556" },
                        { "X-Amz-Date", "20240229T235959Z" },
                        { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" },
                },
                "{}",
                "us-gov-west-1", "ecr", OTHER_KEY, 1709251199,
                "POST\n"
                "/\n\n"
                "content-type:application/x-amz-json-1.1\n"
                "host:localhost:5556\n"
                "x-amz-date:20240229T235959Z\n"
                "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n"
                "content-type;host;x-amz-date;x-amz-target\n"
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "AWS4-HMAC-SHA256\n"
                "20240229T235959Z\n"
                "20240229/us-gov-west-1/ecr/aws4_request\n"
                "4200dca0297ae86127c52a1a05fb43e5498ff426a6374a0a042b0d04eaf15e2f",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20240229/us-gov-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=0c33206bfb4e236a3fee68937d4d155706c46ee013bf3e6870a954dacc82809a",
        },
        {
                "ecr-ipv6-port", "POST", "/", "",
                {
                        { "Content-Type", "application/x-amz-json-1.1" },
                        { "Host", "[::1]:5556" },
                        { "X-Amz-Date", "20240301T000000Z" },
                        { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" },
                },
                "{}",
                "cn-north-1", "ecr", OTHER_KEY, 1709251200,
                "POST\n"
                "/\n\n"
                "content-type:application/x-amz-json-1.1\n"
                "host:[::1]:5556\n"
                "x-amz-date:20240301T000000Z\n"
                "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n"
                "content-type;host;x-amz-date;x-amz-target\n"
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "AWS4-HMAC-SHA256\n"
                "20240301T000000Z\n"
                "20240301/cn-north-1/ecr/aws4_request\n"
                "d0d793a43a252ca849dc086c6726188b6b4b0830833c35240668269eb66808f5",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20240301/cn-north-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=77d07cf2437a5c266207e65c7a5df05427a5da6d45ebcd01bf7b6ee40b50eb60",
        },
        {
                "ecr-utf8-body", "POST", "/", "",
                {
                        { "Content-Type", "application/x-amz-json-1.1" },
                        { "Host", "api.ecr.eu-isoe-west-1.cloud.adc-e.uk" },
                        { "X-Amz-Date", "20260101T000000Z" },
                        { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" },
                },
                "{\"registryIds\":[\"\303\244\303\266 \360\237\230\200\"]}",
                "eu-isoe-west-1", "ecr", OTHER_KEY, 1767225600,
                "POST\n"
                "/\n\n"
                "content-type:application/x-amz-json-1.1\n"
                "host:api.ecr.eu-isoe-west-1.cloud.adc-e.uk\n"
                "x-amz-date:20260101T000000Z\n"
                "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n"
                "content-type;host;x-amz-date;x-amz-target\n"
                "de754fde411d514f7e736c73ee5fb906fff1a77830b389d2103e9f8f9681e31d",
                "AWS4-HMAC-SHA256\n"
                "20260101T000000Z\n"
                "20260101/eu-isoe-west-1/ecr/aws4_request\n"
                "ec2b368de09716ea52ad221b53d231224bf6a372fcab45f62edf56f00aafeb5e",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20260101/eu-isoe-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=8bc523522dce5f05d2baf2db5ba5dc073dd9b1cd2ba385c87de880c8ca4afefe",
        },
        {
                "sts-assume-role", "POST", "/", "",
                {
                        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
                        { "Host", "sts.ap-southeast-2.amazonaws.com" },
                        { "X-Amz-Date", "20380119T031408Z" },
                },
                "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpull",
                "ap-southeast-2", "sts", OTHER_KEY, 2147483648,
                "POST\n"
                "/\n\n"
                "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
                "host:sts.ap-southeast-2.amazonaws.com\n"
                "x-amz-date:20380119T031408Z\n\n"
                "content-type;host;x-amz-date\n"
                "4751bdc4b6c04b5c2717b30a6f1da829aaccf0306e49a6c9c4e16308d4058cbd",
                "AWS4-HMAC-SHA256\n"
                "20380119T031408Z\n"
                "20380119/ap-southeast-2/sts/aws4_request\n"
                "61bd89fe3ee20021da09be89ad67c361fb4771954f25aaff66fba208fe057e31",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20380119/ap-southeast-2/sts/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date, "
                "Signature=6f22038518c9f9a0a3f5025c915d91900fb6968a5f6bf9a075321119185a8494",
        },
        {
                "header-order-and-case", "POST", "/", "",
                {
                        { "x-AMZ-date", "20150830T123600Z" },
                        { "ZZ", "z" },
                        { "a", "1" },
                        { "HOST", "example.amazonaws.com" },
                        { "A-B", "2" },
                        { "aB", "3" },
                        { "A_b", "4" },
                        { "A", "5" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "POST\n"
                "/\n\n"
                "a:1,5\n"
                "a-b:2\n"
                "a_b:4\n"
                "ab:3\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n"
                "zz:z\n\n"
                "a;a-b;a_b;ab;host;x-amz-date;zz\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "db723862efd7f858c6b926792608dc9725805b9e5ff69d0ea629dbed9e87f3ca",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=a;a-b;a_b;ab;host;x-amz-date;zz, "
                "Signature=77d85238b4ea585b3a14bbe13f25161db6e26abd79b5377850990e05b7c5fffb",
        },
        {
                "blanks-in-values", "GET", "/", "",
                {
                        { "Host", "example.amazonaws.com" },
                        { "My-Header1", "\t a \t b\r\n"
                          "\tc\n"
                          " d \v\f e  " },
                        { "My-Header2", " \t " },
                        { "My-Header3", "" },
                        { "My-Header4", "\" q  r \"" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "my-header1:a b c d e\n"
                "my-header2:\n"
                "my-header3:\n"
                "my-header4:\" q r \"\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;my-header1;my-header2;my-header3;my-header4;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "6799a6a663b5edfde2d985eb88bd2fa7b23f359e7d9e792a58a0110996a6bcd4",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;my-header1;my-header2;my-header3;my-header4;x-amz-date, "
                "Signature=4f5350e76a2bf0e5eb375c3ac937575f85d65de6f6cb7636ebbed3f845e4f62f",
        },
        {
                "duplicates-apart", "GET", "/", "",
                {
                        { "X-B", " 2 " },
                        { "Host", "example.amazonaws.com" },
                        { "x-a", "1" },
                        { "X-b", "" },
                        { "X-Amz-Date", "20150830T123600Z" },
                        { "x-B", "2  3" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/\n\n"
                "host:example.amazonaws.com\n"
                "x-a:1\n"
                "x-amz-date:20150830T123600Z\n"
                "x-b:2,,2 3\n\n"
                "host;x-a;x-amz-date;x-b\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "bdd28148e7a43690ddef56e9303dece4c10d064ee7656d04e4de6eae816aec6c",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-a;x-amz-date;x-b, "
                "Signature=35b089fdfb38083dc861271dbe2320b47897dbfc4fa1e82f3a005f9a413228b9",
        },
        {
                "path-and-query", "GET", "/p/a%2520b/", "A=%20x&A=1&B=2",
                {
                        { "Host", "example.amazonaws.com" },
                        { "X-Amz-Date", "20150830T123600Z" },
                },
                "",
                "us-east-1", "service", SUITE_KEY, 1440938160,
                "GET\n"
                "/p/a%2520b/\n"
                "A=%20x&A=1&B=2\n"
                "host:example.amazonaws.com\n"
                "x-amz-date:20150830T123600Z\n\n"
                "host;x-amz-date\n"
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "AWS4-HMAC-SHA256\n"
                "20150830T123600Z\n"
                "20150830/us-east-1/service/aws4_request\n"
                "6935eb27b62e668aef81f54b048e41cc3abdc8499545ef3adc8db8542748daad",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=6e916af988ed578dd3aa46c8e4528e5684b6301eedefe680a32aaad024c60d88",
        },
        /* end of golden */
};
/* clang-format on */

static AwsRequest request_of(const Case *c)
{
        AwsRequest request = {
                .method = c->method,
                .path = c->path,
                .query = c->query,
                .headers = c->headers,
                .body = c->body,
                .body_size = strlen(c->body),
        };

        while (c->headers[request.n_headers].name)
                request.n_headers++;
        return request;
}

static AwsScope scope_of(const Case *c)
{
        return (AwsScope){ c->region, c->service, c->seconds * USEC_PER_SEC };
}

static void check(const Case *c, const Buf *b, const char *expected)
{
        if (!streq(buf_str(b), expected))
                fail_msg("%s:\n%s\ninstead of\n%s", c->name, buf_str(b), expected);
}

static void test_canonical_requests_are_botocore_s(void **state)
{
        for (const Case *c = cases; c < cases + ELEMENTSOF(cases); c++) {
                _cleanup_buf_ Buf b = BUF_INIT(10000), names = BUF_INIT(1000);
                AwsRequest request = request_of(c);
                const char *listed;

                assert_int_equal(aws_sigv4_canonical_request(&request, &b, &names), 0);
                check(c, &b, c->canonical_request);
                listed = strstr(c->authorization, "SignedHeaders=") + strlen("SignedHeaders=");
                assert_int_equal(strcspn(listed, ","), names.size);
                assert_memory_equal(listed, names.data, names.size);
        }
}

static void test_strings_to_sign_are_botocore_s(void **state)
{
        for (const Case *c = cases; c < cases + ELEMENTSOF(cases); c++) {
                _cleanup_buf_ Buf b = BUF_INIT(10000), canonical = BUF_INIT(10000);
                AwsScope scope = scope_of(c);

                assert_int_equal(buf_append_str(&canonical, c->canonical_request), 0);
                assert_int_equal(aws_sigv4_string_to_sign(&scope, &canonical, &b), 0);
                check(c, &b, c->string_to_sign);
        }
}

static void test_authorizations_are_botocore_s(void **state)
{
        for (const Case *c = cases; c < cases + ELEMENTSOF(cases); c++) {
                _cleanup_buf_ Buf b = BUF_INIT(10000);
                AwsRequest request = request_of(c);
                AwsScope scope = scope_of(c);

                assert_int_equal(aws_sigv4_authorization(&request, &scope, &c->keys, &b), 0);
                check(c, &b, c->authorization);
        }
}

/* As AWS has published them, so that the golden values above are not botocore's word alone. */
static void test_published_signatures(void **state)
{
        static const char *const published[][2] = {
                { "get-vanilla", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
                { "post-vanilla", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
                { "iam-list-users", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" },
        };
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(published); i++)
                for (const Case *c = cases; c < cases + ELEMENTSOF(cases); c++)
                        if (streq(c->name, published[i][0])) {
                                assert_non_null(strstr(c->authorization, published[i][1]));
                                n++;
                        }
        assert_int_equal(n, ELEMENTSOF(published));
}

static void test_output_is_appended(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(10000);
        AwsRequest request = request_of(&cases[0]);
        AwsScope scope = scope_of(&cases[0]);

        assert_int_equal(buf_append_str(&b, "Authorization: "), 0);
        assert_int_equal(aws_sigv4_authorization(&request, &scope, &cases[0].keys, &b), 0);
        assert_string_equal(startswith(buf_str(&b), "Authorization: "), cases[0].authorization);
}

static void test_body_may_hold_any_byte_or_be_none(void **state)
{
        static const char body[] = "a\0b\xff";
        AwsRequest request = request_of(&cases[0]);
        _cleanup_buf_ Buf none = BUF_INIT(1000), binary = BUF_INIT(1000), names = BUF_INIT(100),
                          more = BUF_INIT(100);

        request.body = NULL;
        assert_int_equal(aws_sigv4_canonical_request(&request, &none, &names), 0);
        assert_string_equal(buf_str(&none), cases[0].canonical_request);
        request.body = body;
        request.body_size = 4;
        assert_int_equal(aws_sigv4_canonical_request(&request, &binary, &more), 0);
        assert_string_equal(strrchr(buf_str(&binary), '\n') + 1, /* sha256sum */
                            "a37cc3026aae4d519e0b19c298fa913b4dccfdf0658cbccbb7deaa0226d5acdb");
}

static void test_no_more_headers_than_there_is_room_for(void **state)
{
        AwsHeader headers[AWS_SIGV4_HEADERS_MAX + 1];
        char names[ELEMENTSOF(headers)][8];
        AwsRequest request = request_of(&cases[0]);
        AwsScope scope = scope_of(&cases[0]);
        _cleanup_buf_ Buf b = BUF_INIT(10000), signed_headers = BUF_INIT(1000),
                          authorization = BUF_INIT(1000);

        /* From the last to the first, so that they all have to be moved. */
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                (void) snprintf(names[i], sizeof(names[i]), "H%02u", (unsigned) (ELEMENTSOF(headers) - i));
                headers[i] = (AwsHeader){ names[i], "v" };
        }
        request.headers = headers;
        request.n_headers = ELEMENTSOF(headers);
        assert_int_equal(aws_sigv4_canonical_request(&request, &b, &signed_headers), -EINVAL);
        assert_int_equal(aws_sigv4_authorization(&request, &scope, &cases[0].keys, &authorization), -EINVAL);
        assert_int_equal(b.size + signed_headers.size + authorization.size, 0);
        request.n_headers--;
        assert_int_equal(aws_sigv4_canonical_request(&request, &b, &signed_headers), 0);
        assert_string_equal(buf_str(&signed_headers),
                            "h02;h03;h04;h05;h06;h07;h08;h09;h10;h11;h12;h13;h14;h15;h16;h17");
}

static void test_a_buffer_too_small_is_an_error_at_every_size(void **state)
{
        const Case *c = &cases[0];
        AwsRequest request = request_of(c);
        AwsScope scope = scope_of(c);
        _cleanup_buf_ Buf canonical = BUF_INIT(10000);

        assert_int_equal(buf_append_str(&canonical, c->canonical_request), 0);
        for (size_t max = 0; max < strlen(c->canonical_request); max++) {
                _cleanup_buf_ Buf b = BUF_INIT(max), names = BUF_INIT(1000);

                assert_int_equal(aws_sigv4_canonical_request(&request, &b, &names), -EMSGSIZE);
        }
        for (size_t max = 0; max < strlen("host;x-amz-date"); max++) {
                _cleanup_buf_ Buf b = BUF_INIT(1000), names = BUF_INIT(max);

                assert_int_equal(aws_sigv4_canonical_request(&request, &b, &names), -EMSGSIZE);
        }
        for (size_t max = 0; max < strlen(c->string_to_sign); max++) {
                _cleanup_buf_ Buf b = BUF_INIT(max);

                assert_int_equal(aws_sigv4_string_to_sign(&scope, &canonical, &b), -EMSGSIZE);
        }
        for (size_t max = 0; max < strlen(c->authorization); max++) {
                _cleanup_buf_ Buf b = BUF_INIT(max);

                assert_int_equal(aws_sigv4_authorization(&request, &scope, &c->keys, &b), -EMSGSIZE);
        }
}

/* A configuration's value may have 4 kB; a header that is larger than everything is refused. */
static void test_long_session_tokens_can_be_signed(void **state)
{
        static const struct {
                size_t size;
                int expected;
        } sizes[] = { { 4096, 0 }, { 20000, 0 }, { 64 * 1024, -EMSGSIZE } };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *token = calloc(1, sizes[i].size + 1);
                AwsHeader headers[] = { { "Host", "h" },
                                        { "X-Amz-Date", "d" },
                                        { "X-Amz-Security-Token", token } };
                AwsRequest request = request_of(&cases[0]);
                AwsScope scope = scope_of(&cases[0]);
                _cleanup_buf_ Buf b = BUF_INIT(1000);

                assert_non_null(token);
                memset(token, 'x', sizes[i].size);
                request.headers = headers;
                request.n_headers = ELEMENTSOF(headers);
                assert_int_equal(aws_sigv4_authorization(&request, &scope, &cases[0].keys, &b),
                                 sizes[i].expected);
                assert_null(strstr(buf_str(&b), "xxx"));
                assert_null(strstr(buf_str(&b), SUITE_SECRET));
        }
}

static void check_query(const AwsParameter *parameters, size_t n, const char *expected)
{
        _cleanup_buf_ Buf b = BUF_INIT(1000);

        assert_int_equal(aws_sigv4_query(parameters, n, &b), 0);
        assert_string_equal(buf_str(&b), expected);
        for (size_t max = 0; max < strlen(expected); max++) {
                _cleanup_buf_ Buf small = BUF_INIT(max);

                assert_int_equal(aws_sigv4_query(parameters, n, &small), -EMSGSIZE);
        }
}

static void test_queries_are_sorted_and_encoded(void **state)
{
        /* By the encoded name, then by the encoded value. */
        static const AwsParameter parameters[] = {
                { "a-b", "1" }, { "a", "2" },     { "a/", "/" },        { "\303\244", "" },
                { "a", "1" },   { "Z", "~ +=&" }, { "a", "1\303\244" },
        };
        static AwsParameter many[AWS_SIGV4_PARAMETERS_MAX + 1];
        _cleanup_buf_ Buf b = BUF_INIT(1000);

        check_query(NULL, 0, "");
        check_query(parameters, 1, "a-b=1");
        check_query(parameters, ELEMENTSOF(parameters),
                    "%C3%A4=&Z=~%20%2B%3D%26&a=1&a=1%C3%A4&a=2&a%2F=%2F&a-b=1");
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (AwsParameter){ "n", "v" };
        assert_int_equal(aws_sigv4_query(many, ELEMENTSOF(many), &b), -EINVAL);
        assert_int_equal(b.size, 0);
        assert_int_equal(aws_sigv4_query(many, ELEMENTSOF(many) - 1, &b), 0);
}

/* A request for a session of IAM Roles Anywhere. */
#define ARN "arn:aws:rolesanywhere:eu-west-1:123456789012:"
static const AwsParameter sessions_parameters[] = {
        { "trustAnchorArn", ARN "trust-anchor/0a-1" },
        { "roleArn", "arn:aws:iam::123456789012:role/pull/eatr+test=1,@x" },
        { "profileArn", ARN "profile/9" },
};
static const AwsHeader sessions_headers[] = {
        { "Host", "rolesanywhere.eu-west-1.amazonaws.com" },
        { "Content-Type", "application/json" },
        { "X-Amz-Date", "20261123T191927Z" },
        { "X-Amz-X509", FIXTURE_RSA_BASE64 },
        { "X-Amz-X509-Chain", FIXTURE_INTERMEDIATE_BASE64 },
};
static const char sessions_body[] = "{\"durationSeconds\":3600}";
static const AwsRequest sessions_request = {
        .method = "POST",
        .path = "/sessions",
        .query = FIXTURE_SESSIONS_QUERY,
        .headers = sessions_headers,
        .n_headers = ELEMENTSOF(sessions_headers),
        .body = sessions_body,
        .body_size = sizeof(sessions_body) - 1,
};
static const AwsScope sessions_scope = { "eu-west-1", "rolesanywhere", 1795461567 * USEC_PER_SEC };

static int sign_with_identity(void *userdata, const void *p, size_t n, Buf *hex)
{
        return x509_identity_sign(userdata, p, n, hex);
}

static X509Identity *load(const char *certificate, const char *key, const char *chain)
{
        char error[X509_ERROR_MAX];
        X509Identity *i = NULL;

        folder_put("certificate", certificate);
        folder_put("key", key);
        folder_put("chain", chain);
        assert_int_equal(x509_identity_load("certificate", "key", "chain", &i, error), 0);
        return i;
}

static AwsSigner signer_of(X509Identity *i)
{
        return (AwsSigner){ i->algorithm, i->serial, sign_with_identity, i };
}

static void test_a_request_signed_with_rsa(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_RSA, FIXTURE_RSA_KEY, FIXTURE_INTERMEDIATE);
        AwsSigner signer = signer_of(i);
        _cleanup_buf_ Buf query = BUF_INIT(1000), canonical = BUF_INIT(10000), names = BUF_INIT(100),
                          string = BUF_INIT(1000), b = BUF_INIT(1000);

        assert_string_equal(i->certificate, FIXTURE_RSA_BASE64);
        assert_string_equal(i->chain, FIXTURE_INTERMEDIATE_BASE64);
        assert_int_equal(aws_sigv4_query(sessions_parameters, ELEMENTSOF(sessions_parameters), &query), 0);
        assert_string_equal(buf_str(&query), FIXTURE_SESSIONS_QUERY);
        assert_int_equal(aws_sigv4_canonical_request(&sessions_request, &canonical, &names), 0);
        assert_int_equal(aws_sigv4_string_to_sign_x509(&sessions_scope, &signer, &canonical, &string), 0);
        assert_string_equal(buf_str(&string), FIXTURE_SESSIONS_STRING_TO_SIGN);
        assert_int_equal(aws_sigv4_authorization_x509(&sessions_request, &sessions_scope, &signer, &b), 0);
        assert_string_equal(buf_str(&b),
                            "AWS4-X509-RSA-SHA256 Credential=" FIXTURE_RSA_SERIAL
                            "/20261123/eu-west-1/rolesanywhere/aws4_request, "
                            "SignedHeaders=content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain, "
                            "Signature=" FIXTURE_SESSIONS_SIGNATURE);
}

/* Whether hex is the EC fixture's signature of the text. */
static bool is_signed(const char *hex, const Buf *text)
{
        BIO *bio = BIO_new_mem_buf(FIXTURE_EC, -1);
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        long size = 0;
        unsigned char *signature = OPENSSL_hexstr2buf(hex, &size);
        bool good;

        assert_non_null(signature);
        assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(x)), 1);
        good = EVP_DigestVerify(context, signature, (size_t) size, (const unsigned char *) text->data,
                                text->size) == 1;
        OPENSSL_free(signature);
        EVP_MD_CTX_free(context);
        X509_free(x);
        BIO_free(bio);
        return good;
}

/* No signature of ECDSA is like the other. */
static void test_a_request_signed_with_ec(void **state)
{
        static const char head[] = "AWS4-X509-ECDSA-SHA256 Credential=" FIXTURE_EC_SERIAL
                                   "/20261123/eu-west-1/rolesanywhere/aws4_request, "
                                   "SignedHeaders=content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain, "
                                   "Signature=";
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_EC, FIXTURE_EC_KEY, FIXTURE_CA);
        AwsSigner signer = signer_of(i);
        _cleanup_buf_ Buf canonical = BUF_INIT(10000), names = BUF_INIT(100), string = BUF_INIT(1000),
                          b = BUF_INIT(1000);

        assert_int_equal(aws_sigv4_canonical_request(&sessions_request, &canonical, &names), 0);
        assert_int_equal(aws_sigv4_string_to_sign_x509(&sessions_scope, &signer, &canonical, &string), 0);
        assert_non_null(startswith(buf_str(&string), "AWS4-X509-ECDSA-SHA256\n20261123T191927Z\n"));
        assert_int_equal(aws_sigv4_authorization_x509(&sessions_request, &sessions_scope, &signer, &b), 0);
        assert_non_null(startswith(buf_str(&b), head));
        assert_true(is_signed(startswith(buf_str(&b), head), &string));
        string.data[string.size - 1] ^= 1;
        assert_false(is_signed(startswith(buf_str(&b), head), &string));
}

static int fail_to_sign(void *userdata, const void *p, size_t n, Buf *hex)
{
        return -EKEYREJECTED;
}

static void test_what_the_signer_says_is_passed_on(void **state)
{
        AwsSigner signer = { "ALGORITHM", "me", fail_to_sign, NULL };
        _cleanup_buf_ Buf b = BUF_INIT(1000);

        assert_int_equal(aws_sigv4_authorization_x509(&sessions_request, &sessions_scope, &signer, &b),
                         -EKEYREJECTED);
}

/* --- queries ----------------------------------------------------------------------------------------- */

typedef struct Presigned {
        const char *method, *path, *body;
        AwsHeader headers[4];
        AwsParameter parameters[4];
        size_t n_parameters;
        unsigned expires;
        const char *region, *service;
        unsigned time;
        const char *session_token;
        const char *query;
} Presigned;

static const Presigned presigned[] = {
        /* clang-format off */
        /* golden: tests/golden-sigv4.py presign */
        {
                "GET", "/", "",
                { { "Host", "sts.eu-west-1.amazonaws.com" }, { "x-k8s-aws-id", "prod" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "eu-west-1", "sts", 1795461567, NULL,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date="
                "20261123T191927Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signa"
                "ture=b8db16d3cc2a5f2167259cad3e606c54ac439b01e50a419ec0056442175cf636",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.eu-west-1.amazonaws.com" }, { "x-k8s-aws-id", "prod" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "eu-west-1", "sts", 1795461567, SESSION,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date="
                "20261123T191927Z&X-Amz-Expires=60&X-Amz-Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2F%2F"
                "%2F%2F%2F%2F%2FwEaDEXAMPLE%2BAb0%2Fc2Vzc2lvbg%3D%3D&X-Amz-SignedHeaders=host%3Bx-k8s-"
                "aws-id&X-Amz-Signature=4b4b34c3cb4087abdc93844cc999b37fd7e3b9c4430ae29f77754244e8a66f"
                "4d",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.us-east-1.amazonaws.com" }, { "x-k8s-aws-id", "a" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "us-east-1", "sts", 1709251199, SESSION,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20240229%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date="
                "20240229T235959Z&X-Amz-Expires=60&X-Amz-Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2F%2F"
                "%2F%2F%2F%2F%2FwEaDEXAMPLE%2BAb0%2Fc2Vzc2lvbg%3D%3D&X-Amz-SignedHeaders=host%3Bx-k8s-"
                "aws-id&X-Amz-Signature=d42998cf21a72a92c430e39525c1819e3b99c161f480a3deb0e34886c7e518"
                "21",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.cn-north-1.amazonaws.com.cn" }, { "x-k8s-aws-id", "A_b-9" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "cn-north-1", "sts", 1709251200, NULL,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20240301%2Fcn-north-1%2Fsts%2Faws4_request&X-Amz-Date"
                "=20240301T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Sign"
                "ature=bfde1e5f12ad5b3f7547a8cc7a5710fc5a1f3a2abe672c3b164b56b351cbbeb0",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.us-gov-west-1.amazonaws.com" }, { "x-k8s-aws-id", "4f6e2b3c-0d1e-4f5a-8b7c-9d8e7f6a5b4c" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "us-gov-west-1", "sts", 1767225600, SESSION,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20260101%2Fus-gov-west-1%2Fsts%2Faws4_request&X-Amz-D"
                "ate=20260101T000000Z&X-Amz-Expires=60&X-Amz-Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2"
                "F%2F%2F%2F%2F%2F%2FwEaDEXAMPLE%2BAb0%2Fc2Vzc2lvbg%3D%3D&X-Amz-SignedHeaders=host%3Bx-"
                "k8s-aws-id&X-Amz-Signature=0da863fd28284976afd66313feb8ed0174400a533567849c349aaec55c"
                "f493b1",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.us-iso-east-1.c2s.ic.gov" }, { "x-k8s-aws-id", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                60, "us-iso-east-1", "sts", 2147483648, NULL,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20380119%2Fus-iso-east-1%2Fsts%2Faws4_request&X-Amz-D"
                "ate=20380119T031408Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-S"
                "ignature=c67fd58a3526877a03e938a72ac5aacb712dbc2902faf8631ea879c590455314",
        },
        {
                "GET", "/", "",
                { { "Host", "sts.eu-west-1.amazonaws.com" } },
                { { "Action", "GetCallerIdentity" }, { "Version", "2011-06-15" } }, 2,
                900, "eu-west-1", "sts", 1795461567, SESSION,
                "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cr"
                "edential=ASIAIOSFODNN7EXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date="
                "20261123T191927Z&X-Amz-Expires=900&X-Amz-Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2F%2"
                "F%2F%2F%2F%2F%2FwEaDEXAMPLE%2BAb0%2Fc2Vzc2lvbg%3D%3D&X-Amz-SignedHeaders=host&X-Amz-S"
                "ignature=6b79b05ecc992629186bc7e45ef72e410aad01e85fe98a23009f6cf8c90cdf6a",
        },
        {
                "GET", "/", "",
                { { "Host", "example.amazonaws.com" } },
                { { "", "" } }, 0,
                0, "us-east-1", "service", 1440938160, NULL,
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F20150830%2Fu"
                "s-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=0&X-Amz-S"
                "ignedHeaders=host&X-Amz-Signature=36e357e05afbee6395e5c470ae61ca8f61da6d5100524648706"
                "8b489b5ebee81",
        },
        {
                "GET", "/", "",
                { { "Host", "example.amazonaws.com" } },
                { { "", "" } }, 0,
                604800, "us-east-1", "service", 1440938160, NULL,
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F20150830%2Fu"
                "s-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=604800&X-"
                "Amz-SignedHeaders=host&X-Amz-Signature=218adbb767b50922704814497604b1e6de0d568b8518c0"
                "20b23173affbed151e",
        },
        {
                "GET", "/p/a-b/", "",
                { { "x-B", " 2 " }, { "Host", "example.amazonaws.com" }, { "x-a", "1" }, { "X-b", "3  4" } },
                { { "A", "x y/+~*'\303\251" }, { "a-", "" } }, 2,
                1, "us-east-1", "service", 1440938160, SESSION,
                "A=x%20y%2F%2B~%2A%27%C3%A9&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSF"
                "ODNN7EXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T1236"
                "00Z&X-Amz-Expires=1&X-Amz-Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2F%2F%2F%2F%2F%2F%2"
                "FwEaDEXAMPLE%2BAb0%2Fc2Vzc2lvbg%3D%3D&X-Amz-SignedHeaders=host%3Bx-a%3Bx-b&a-=&X-Amz-"
                "Signature=2d0a061a2ad196ac12fb4309e4380ecb7f819d96ed34a1f0da85ed7cbcb5104f",
        },
        {
                "POST", "/", "body",
                { { "Host", "example.amazonaws.com" } },
                { { "B", "2" }, { "A", "10" }, { "Zz", "=" }, { "X-A", "&" } }, 4,
                60, "us-east-1", "service", 1440938160, NULL,
                "A=10&B=2&X-A=%26&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMP"
                "LE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-"
                "Expires=60&X-Amz-SignedHeaders=host&Zz=%3D&X-Amz-Signature=60cc422f56f1b9e986abd0a4a8"
                "320616c5d8f97514775d8f168b00ac7ae5d6bf",
        },
        {
                "PUT", "/", "\303\244",
                { { "Host", "localhost:5556" }, { "Content-Type", "text/plain" } },
                { { "x-amz", "1" } }, 1,
                60, "us-east-1", "service", 1440938160, SESSION,
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F20150830%2Fu"
                "s-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-"
                "Security-Token=FwoGZXIvYXdzEJr%2F%2F%2F%2F%2F%2F%2F%2F%2F%2FwEaDEXAMPLE%2BAb0%2Fc2Vzc"
                "2lvbg%3D%3D&X-Amz-SignedHeaders=content-type%3Bhost&x-amz=1&X-Amz-Signature=e566e0c4e"
                "40733e0db4f582b919c2764c1268e8b752c1ade25666b0e5f501248",
        },
        /* end of golden */
        /* clang-format on */
};

static int presign(const Presigned *p, Buf *b)
{
        AwsRequest request = { .method = p->method, .path = p->path, .headers = p->headers, .body = p->body };
        AwsPresign how = { p->parameters, p->n_parameters, p->expires };
        AwsScope scope = { p->region, p->service, p->time * USEC_PER_SEC };
        AwsKeys keys = OTHER_KEY;

        keys.session_token = p->session_token;
        request.body_size = strlen(p->body);
        while (request.n_headers < ELEMENTSOF(p->headers) && p->headers[request.n_headers].name)
                request.n_headers++;
        return aws_sigv4_presign(&request, &how, &scope, &keys, b);
}

static void test_presigned_queries_are_botocore_s(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(presigned); i++) {
                _cleanup_buf_ Buf b = BUF_INIT(10000);

                assert_int_equal(presign(&presigned[i], &b), 0);
                assert_string_equal(buf_str(&b), presigned[i].query);
        }
}

static void test_the_encoded_parameters_are_wiped(void **state)
{
        const AwsParameter one = { "X-Amz-Security-Token", "a/b" };
        _cleanup_buf_ Buf b = BUF_INIT(1000);

        erased = 0;
        assert_int_equal(aws_sigv4_query(&one, 1, &b), 0);
        assert_string_equal(buf_str(&b), "X-Amz-Security-Token=a%2Fb");
        assert_int_equal(erased, strlen("X-Amz-Security-Token") + strlen("a%2Fb"));
}

static void test_a_presigned_query_is_appended_or_an_error(void **state)
{
        size_t size = strlen(presigned[1].query);
        AwsParameter many[AWS_SIGV4_PRESIGN_PARAMETERS_MAX + 1];
        Presigned p = presigned[1];

        for (size_t max = 0; max <= size + 1; max++) {
                _cleanup_buf_ Buf b = BUF_INIT(max);

                assert_int_equal(buf_append_str(&b, max > 0 ? "?" : ""), 0);
                assert_int_equal(presign(&p, &b), max <= size ? -EMSGSIZE : 0);
                if (max > size)
                        assert_string_equal(buf_str(&b) + 1, p.query);
        }
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (AwsParameter){ "a", "b" };
        for (size_t n = ELEMENTSOF(many) - 1; n <= ELEMENTSOF(many); n++) {
                AwsRequest request = { .method = "GET", .path = "/", .headers = p.headers, .n_headers = 2 };
                AwsKeys keys = OTHER_KEY;
                _cleanup_buf_ Buf b = BUF_INIT(10000);

                keys.session_token = SESSION;
                assert_int_equal(aws_sigv4_presign(&request, &(AwsPresign){ many, n, 60 },
                                                   &(AwsScope){ "r", "s", 0 }, &keys, &b),
                                 n == ELEMENTSOF(many) ? -EINVAL : 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_canonical_requests_are_botocore_s),
                cmocka_unit_test(test_strings_to_sign_are_botocore_s),
                cmocka_unit_test(test_authorizations_are_botocore_s),
                cmocka_unit_test(test_published_signatures),
                cmocka_unit_test(test_output_is_appended),
                cmocka_unit_test(test_body_may_hold_any_byte_or_be_none),
                cmocka_unit_test(test_no_more_headers_than_there_is_room_for),
                cmocka_unit_test(test_a_buffer_too_small_is_an_error_at_every_size),
                cmocka_unit_test(test_long_session_tokens_can_be_signed),
                cmocka_unit_test(test_queries_are_sorted_and_encoded),
                cmocka_unit_test(test_a_request_signed_with_rsa),
                cmocka_unit_test(test_a_request_signed_with_ec),
                cmocka_unit_test(test_what_the_signer_says_is_passed_on),
                cmocka_unit_test(test_presigned_queries_are_botocore_s),
                cmocka_unit_test(test_the_encoded_parameters_are_wiped),
                cmocka_unit_test(test_a_presigned_query_is_appended_or_an_error),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
