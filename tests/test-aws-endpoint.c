/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_ecr_of_every_partition(void **state)
{
        /* IPv4, and dual-stack; from botocore's partitions.json and the rule set of ECR. */
        static const char *const cases[][3] = {
                { "eu-central-1", "api.ecr%s.eu-central-1.amazonaws.com", "ecr%s.eu-central-1.api.aws" },
                { "us-east-1", "api.ecr%s.us-east-1.amazonaws.com", "ecr%s.us-east-1.api.aws" },
                { "mx-central-1", "api.ecr%s.mx-central-1.amazonaws.com", "ecr%s.mx-central-1.api.aws" },
                { "us-gov-west-1", "api.ecr%s.us-gov-west-1.amazonaws.com", "ecr%s.us-gov-west-1.api.aws" },
                { "cn-north-1", "api.ecr%s.cn-north-1.amazonaws.com.cn",
                  "ecr%s.cn-north-1.api.amazonwebservices.com.cn" },
                { "cn-northwest-1", "api.ecr%s.cn-northwest-1.amazonaws.com.cn",
                  "ecr%s.cn-northwest-1.api.amazonwebservices.com.cn" },
                { "eusc-de-east-1", "api.ecr%s.eusc-de-east-1.amazonaws.eu",
                  "ecr%s.eusc-de-east-1.api.amazonwebservices.eu" },
                { "us-iso-east-1", "api.ecr%s.us-iso-east-1.c2s.ic.gov",
                  "ecr%s.us-iso-east-1.api.aws.ic.gov" },
                { "us-isob-east-1", "api.ecr%s.us-isob-east-1.sc2s.sgov.gov",
                  "ecr%s.us-isob-east-1.api.aws.scloud" },
                { "eu-isoe-west-1", "api.ecr%s.eu-isoe-west-1.cloud.adc-e.uk",
                  "ecr%s.eu-isoe-west-1.api.cloud-aws.adc-e.uk" },
                { "us-isof-south-1", "api.ecr%s.us-isof-south-1.csp.hci.ic.gov",
                  "ecr%s.us-isof-south-1.api.aws.hci.ic.gov" },
                /* Not there yet. */
                { "xy-future-9", "api.ecr%s.xy-future-9.amazonaws.com", "ecr%s.xy-future-9.api.aws" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (unsigned k = 0; k < 4; k++) {
                        bool fips = k & 1, dualstack = k & 2;
                        const char *pattern = cases[i][dualstack ? 2 : 1];
                        const char *rest = strstr(pattern, "%s") + 2;
                        _cleanup_free_ char *url = NULL, *expected = NULL;

                        expected = str_printf("https://%.*s%s%s", (int) (rest - 2 - pattern), pattern,
                                              fips ? "-fips" : "", rest);
                        assert_int_equal(aws_endpoint(AWS_SERVICE_ECR, cases[i][0], fips, dualstack, &url),
                                         0);
                        assert_string_equal(url, expected);
                }
}

static void test_other_services(void **state)
{
        static const struct {
                AwsService service;
                const char *region;
                bool fips, dualstack;
                const char *url;
        } cases[] = {
                { AWS_SERVICE_ECR_PUBLIC, "us-east-1", false, false,
                  "https://api.ecr-public.us-east-1.amazonaws.com" },
                { AWS_SERVICE_ECR_PUBLIC, "us-east-1", false, true, "https://ecr-public.us-east-1.api.aws" },
                { AWS_SERVICE_STS, "eu-west-1", false, false, "https://sts.eu-west-1.amazonaws.com" },
                { AWS_SERVICE_STS, "us-east-2", true, false, "https://sts-fips.us-east-2.amazonaws.com" },
                { AWS_SERVICE_STS, "us-gov-west-1", true, false, "https://sts.us-gov-west-1.amazonaws.com" },
                { AWS_SERVICE_STS, "eu-west-1", false, true, "https://sts.eu-west-1.api.aws" },
                { AWS_SERVICE_STS, "cn-north-1", false, false, "https://sts.cn-north-1.amazonaws.com.cn" },
                { AWS_SERVICE_ROLES_ANYWHERE, "eu-west-1", false, false,
                  "https://rolesanywhere.eu-west-1.amazonaws.com" },
                { AWS_SERVICE_ROLES_ANYWHERE, "us-gov-west-1", true, false,
                  "https://rolesanywhere-fips.us-gov-west-1.amazonaws.com" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *url = NULL;

                assert_int_equal(aws_endpoint(cases[i].service, cases[i].region, cases[i].fips,
                                              cases[i].dualstack, &url),
                                 0);
                assert_string_equal(url, cases[i].url);
        }
}

static void test_partitions(void **state)
{
        static const char *const cases[][2] = {
                { "eu-central-1", "aws" },         { "us-gov-east-1", "aws-us-gov" },
                { "cn-north-1", "aws-cn" },        { "eusc-de-east-1", "aws-eusc" },
                { "us-iso-east-1", "aws-iso" },    { "us-isob-east-1", "aws-iso-b" },
                { "eu-isoe-west-1", "aws-iso-e" }, { "us-isof-south-1", "aws-iso-f" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(aws_partition(cases[i][0]), cases[i][1]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ecr_of_every_partition),
                cmocka_unit_test(test_other_services),
                cmocka_unit_test(test_partitions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
